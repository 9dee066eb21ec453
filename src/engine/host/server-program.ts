// How a model server is started: transformers' own on a machine without a GPU, vLLM with one. Pure.
import type { ServerSpec } from '../engine.js';
import { scriptFile } from './script.js';

/** What of a version is served: `adapter` over the base, or a `model` of its own (method `full`). */
export type Served = { baseModel: string; adapter: string | undefined };

/** vLLM takes no rank between these (vllm.config.lora, version 0.32). */
const loraRanks = [1, 8, 16, 32, 64, 128, 256, 320, 512];

/** Arguments after the interpreter. The version answers to the model's name. */
export function transformersArgs(spec: ServerSpec, served: Served, socket: string): string[] {
  const adapter = served.adapter === undefined ? [] : ['--adapter', served.adapter];
  const window = option('--max-model-len', spec.settings['max_model_len']);
  const where = ['--name', spec.model, '--socket', socket];
  return [scriptFile('serve.py'), '--model', served.baseModel, ...adapter, ...window, ...where];
}

/** With an adapter its base answers to `base`, so that both can be compared. */
export function vllmArgs(spec: ServerSpec, served: Served, socket: string, sleepMode: boolean): string[] {
  const name = served.adapter === undefined ? spec.model : 'base';
  return [
    ...['-m', 'vllm.entrypoints.openai.api_server', '--uds', socket, '--model', served.baseModel],
    ...['--served-model-name', name, '--dtype', 'bfloat16'],
    ...option('--max-model-len', spec.settings['max_model_len']),
    ...option('--gpu-memory-utilization', spec.settings['gpu_memory_utilization']),
    ...loraArgs(spec, served.adapter),
    ...(sleepMode ? ['--enable-sleep-mode', '--no-log-error-stack'] : []),
  ];
}

const vllmVariables = {
  VLLM_HOST_IP: '127.0.0.1',
  VLLM_NO_USAGE_STATS: '1',
  VLLM_ALLOW_RUNTIME_LORA_UPDATING: '1',
};

/** vLLM has its sleep calls in its development mode alone; they are reached through the server's private socket and nowhere else. */
export function vllmEnvironment(sleepMode: boolean): Record<string, string> {
  return sleepMode ? { ...vllmVariables, VLLM_SERVER_DEV_MODE: '1' } : vllmVariables;
}

function loraArgs(spec: ServerSpec, adapter: string | undefined): string[] {
  if (adapter === undefined) return [];
  const rank = Number(spec.settings['max_lora_rank'] ?? 16);
  const fitting = loraRanks.find((known) => known >= rank) ?? rank;
  return ['--enable-lora', '--max-lora-rank', String(fitting), '--lora-modules', `${spec.model}=${adapter}`];
}

function option(flag: string, value: string | number | boolean | undefined): string[] {
  return value === undefined ? [] : [flag, String(value)];
}
