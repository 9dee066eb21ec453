// vLLM's administrative calls, over the server's socket: load an adapter under a name, and take it away. Clients never reach
// them: the gateway's allow-list knows no such path. https://docs.vllm.ai/en/latest/features/lora/
import { isNobodyThere, localClient, type LocalAnswer } from '../local-client.js';

/** A large adapter from a slow disk. */
const loadTimeoutMs = 120_000;
const unloadTimeoutMs = 10_000;

/** Under a name of its own and never `load_inplace`: vLLM then reads the adapter again at every step, and answers change midway. */
export function loadAdapter(address: string, name: string, path: string): Promise<LocalAnswer> {
  return post(address, '/v1/load_lora_adapter', { lora_name: name, lora_path: path }, loadTimeoutMs);
}

/** One that is not loaded is no matter; nor is a server that does not run: it has forgotten everything. */
export async function unloadAdapter(address: string, name: string): Promise<LocalAnswer | undefined> {
  try {
    return await post(address, '/v1/unload_lora_adapter', { lora_name: name }, unloadTimeoutMs);
  } catch (error) {
    if (isNobodyThere(error)) return undefined;
    throw error;
  }
}

async function post(address: string, path: string, body: object, timeoutMs: number): Promise<LocalAnswer> {
  const client = localClient(address);
  try {
    return await client.ask({ path, body: JSON.stringify(body), timeoutMs });
  } finally {
    client.close();
  }
}
