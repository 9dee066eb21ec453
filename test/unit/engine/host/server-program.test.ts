import { expect, test } from 'vitest';

import type { ServerSpec } from '../../../../src/engine/engine.js';
import { scriptFile } from '../../../../src/engine/host/script.js';
import { transformersArgs, vllmArgs, vllmEnvironment } from '../../../../src/engine/host/server-program.js';

const spec: ServerSpec = {
  id: 'tickets-v1-3f9a',
  model: 'tickets',
  version: 1,
  digest: `sha256:${'0'.repeat(64)}`,
  baseModel: '/models/base',
  gpu: true,
  settings: { max_lora_rank: 12, max_model_len: 2048, gpu_memory_utilization: 0.9 },
};
const served = { baseModel: '/models/base', adapter: '/version/adapter' };

test("transformers' server gets the base, the adapter, the longest sequence and the model's name", () => {
  expect(transformersArgs(spec, served, '/run/a.sock')).toEqual([
    scriptFile('serve.py'),
    ...['--model', '/models/base', '--adapter', '/version/adapter', '--max-model-len', '2048'],
    ...['--name', 'tickets', '--socket', '/run/a.sock'],
  ]);
});

test('vLLM serves the adapter under the model name and the base beside it, with a rank that it knows', () => {
  expect(vllmArgs(spec, served, '/run/a.sock', false)).toEqual([
    ...['-m', 'vllm.entrypoints.openai.api_server', '--uds', '/run/a.sock', '--model', '/models/base'],
    ...['--served-model-name', 'base', '--dtype', 'bfloat16'],
    ...['--max-model-len', '2048', '--gpu-memory-utilization', '0.9'],
    ...['--enable-lora', '--max-lora-rank', '16', '--lora-modules', 'tickets=/version/adapter'],
  ]);
});

test('a whole model answers to its own name and needs no adapter', () => {
  const whole = { baseModel: '/version/model', adapter: undefined };

  expect(vllmArgs({ ...spec, settings: {} }, whole, '/run/a.sock', false)).toEqual([
    ...['-m', 'vllm.entrypoints.openai.api_server', '--uds', '/run/a.sock', '--model', '/version/model'],
    ...['--served-model-name', 'tickets', '--dtype', 'bfloat16'],
  ]);
  expect(transformersArgs(spec, whole, '/run/a.sock')).not.toContain('--adapter');
});

test('vLLM that may sleep answers the calls for it, and its errors stay as short as without them', () => {
  const plain = vllmArgs(spec, served, '/run/a.sock', false);
  expect(vllmArgs(spec, served, '/run/a.sock', true)).toEqual([
    ...plain,
    ...['--enable-sleep-mode', '--no-log-error-stack'],
  ]);
  expect(vllmEnvironment(true)).toEqual({ ...vllmEnvironment(false), VLLM_SERVER_DEV_MODE: '1' });
});
