// Whether the model hub answers. Never fails the doctor: local models and what was pulled before work without it.
import { EnvHttpProxyAgent, request } from 'undici';

import { errorCode, errorMessage } from '../errors.js';
import { ok, skip, warn, type Finding } from './finding.js';
import type { Machine } from './machine.js';

const answerMs = 5000;
const certificateCodes = new Set([
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'CERT_HAS_EXPIRED',
]);

export async function checkHub(machine: Machine): Promise<Finding[]> {
  const { environment } = machine;
  for (const name of ['HF_HUB_OFFLINE', 'DO_NOT_TRACK']) {
    if (isOn(environment[name])) return [skip('model hub', `not asked: ${name} is set`)];
  }
  const endpoint = environment['HF_ENDPOINT'] ?? 'https://huggingface.co';
  const why = 'mlx pull cannot download base models; the demo and local model folders do not need it.';
  if (!URL.canParse(endpoint))
    return [warn('model hub', `HF_ENDPOINT is no URL: ${endpoint}`, why, 'unset HF_ENDPOINT')];
  try {
    const status = await askHub(new URL('/api/models?limit=1', endpoint), environment);
    const what = `${new URL(endpoint).host} answers${status === 200 ? '' : ` with HTTP ${status}`}`;
    return [status < 500 ? ok('model hub', what) : warn('model hub', what, why, 'Try again later.')];
  } catch (error) {
    const code = errorCode(error) ?? errorCode((error as { cause?: unknown }).cause) ?? errorMessage(error);
    return [warn('model hub', `${new URL(endpoint).host} does not answer (${code})`, why, fixFor(code))];
  }
}

/** One small public question, without a token; nothing about this machine or project is in it. */
async function askHub(url: URL, environment: NodeJS.ProcessEnv): Promise<number> {
  const proxy = (name: string): string => environment[name.toLowerCase()] ?? environment[name] ?? '';
  const agent = new EnvHttpProxyAgent({
    httpProxy: proxy('HTTP_PROXY'),
    httpsProxy: proxy('HTTPS_PROXY'),
    noProxy: proxy('NO_PROXY'),
    connect: { timeout: answerMs },
  });
  try {
    const answer = await request(url, { dispatcher: agent, signal: AbortSignal.timeout(answerMs) });
    await answer.body.dump();
    return answer.statusCode;
  } finally {
    await agent.destroy();
  }
}

function fixFor(code: string): string {
  return certificateCodes.has(code)
    ? 'Name the file of your own certificate authority: NODE_EXTRA_CA_CERTS=FILE and SSL_CERT_FILE=FILE'
    : 'Set HTTPS_PROXY, or HF_ENDPOINT to a mirror; to work without it: HF_HUB_OFFLINE=1';
}

/** As huggingface_hub reads its switches. */
function isOn(value: string | undefined): boolean {
  return ['1', 'on', 'yes', 'true'].includes((value ?? '').toLowerCase());
}
