// What a download may know of this machine's environment: the hub, its token, proxies and certificates. Nothing else.
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

const passedOn = [
  'HF_ENDPOINT',
  'HF_HUB_DOWNLOAD_TIMEOUT',
  'HF_HUB_ETAG_TIMEOUT',
  'HF_HUB_DISABLE_XET',
  'HTTP_PROXY',
  'HTTPS_PROXY',
  'ALL_PROXY',
  'NO_PROXY',
  'http_proxy',
  'https_proxy',
  'all_proxy',
  'no_proxy',
  'SSL_CERT_FILE',
  'REQUESTS_CA_BUNDLE',
  'CURL_CA_BUNDLE',
];

export function hubEnvironment(environment: NodeJS.ProcessEnv): Record<string, string> {
  const chosen = passedOn.flatMap((name) => {
    const value = environment[name];
    return value === undefined || value === '' ? [] : [[name, value] as const];
  });
  const token = hubToken(environment);
  return {
    ...Object.fromEntries(chosen),
    ...(token === undefined ? {} : { HF_TOKEN: token }),
    HF_HUB_DISABLE_TELEMETRY: '1',
  };
}

export function isOffline(environment: NodeJS.ProcessEnv): boolean {
  return ['1', 'ON', 'YES', 'TRUE'].includes((environment['HF_HUB_OFFLINE'] ?? '').toUpperCase());
}

/** The variable, else what `hf auth login` left, in the places that huggingface_hub looks. */
function hubToken(environment: NodeJS.ProcessEnv): string | undefined {
  const given = environment['HF_TOKEN'] ?? environment['HUGGING_FACE_HUB_TOKEN'];
  if (given !== undefined && given !== '') return given;
  const cache = environment['XDG_CACHE_HOME'] ?? join(environment['HOME'] ?? homedir(), '.cache');
  const file = environment['HF_TOKEN_PATH'] ?? join(environment['HF_HOME'] ?? join(cache, 'huggingface'), 'token');
  try {
    return readFileSync(file, 'utf8').trim() || undefined;
  } catch {
    return undefined;
  }
}
