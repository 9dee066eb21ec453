// vLLM's administrative calls, over the server's socket: load an adapter under a name, and take it away. Clients never reach
// them: the gateway's allow-list knows no such path. https://docs.vllm.ai/en/latest/features/lora/
import { Client } from 'undici';

import { parseAddress } from '../address.js';
import { errorCode } from '../../errors.js';

/** A large adapter from a slow disk. */
const loadTimeoutMs = 120_000;
const unloadTimeoutMs = 10_000;

export type LoraAnswer = { status: number; text: string };

/** Under a name of its own and never `load_inplace`: vLLM then reads the adapter again at every step, and answers change midway. */
export function loadAdapter(address: string, name: string, path: string): Promise<LoraAnswer> {
  return post(address, '/v1/load_lora_adapter', { lora_name: name, lora_path: path }, loadTimeoutMs);
}

/** One that is not loaded is no matter; nor is a server that does not run: it has forgotten everything. */
export async function unloadAdapter(address: string, name: string): Promise<LoraAnswer | undefined> {
  try {
    return await post(address, '/v1/unload_lora_adapter', { lora_name: name }, unloadTimeoutMs);
  } catch (error) {
    if (goneCodes.has(errorCode(error) ?? '')) return undefined;
    throw error;
  }
}

const goneCodes = new Set(['ENOENT', 'ECONNREFUSED', 'ECONNRESET', 'UND_ERR_SOCKET']);

async function post(address: string, path: string, body: object, timeoutMs: number): Promise<LoraAnswer> {
  const { origin, socketPath } = parseAddress(address);
  const client = new Client(origin, { connect: { socketPath } });
  try {
    const answer = await client.request({
      path,
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(timeoutMs),
    });
    return { status: answer.statusCode, text: await answer.body.text() };
  } finally {
    await client.destroy();
  }
}
