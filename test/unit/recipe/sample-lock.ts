// A whole lock, as a run would leave it.
import type { Lock } from '../../../src/recipe/lock.js';

export const hash = (digit: string): string => digit.repeat(64);

export function lock(): Lock {
  const split = { sources: 'data/tickets.jsonl', rows: 3, file_sha256: hash('a'), merkle_root: hash('b') };
  return {
    lock: 1,
    written_by: 'mlx 0.1.0',
    recipe: {
      name: 'tickets',
      file: 'recipes/tickets.yaml',
      overrides: [],
      settings: { seed: '42', 'lora.r': '8' },
      origins: { seed: 'default', 'lora.r': 'recipe' },
    },
    base_model: {
      repository: 'mlx/demo-base',
      commit: 'c0ffee',
      files: { 'model.safetensors': hash('1') },
      tokenizer_sha256: hash('2'),
      chat_template_sha256: null,
    },
    dataset: { train: split, held_out: { ...split, rows: 1 } },
    runtime: {
      engine: 'host',
      reference: 'trainer.txt@1',
      id: 'trainer-abc',
      python: '3.11.9',
      scripts: { 'train.py': hash('3') },
      packages: { torch: '2.13.0', peft: '0.21.2' },
    },
    code: { commit: null, patch_sha256: null },
    machine: { platform: 'linux x64', device: 'cpu', driver: null, cuda: null, cpu: 'a processor', threads: 2 },
    determinism: {
      class: 'bit-exact',
      reason: 'seeded before the model',
      environment: { PYTHONHASHSEED: '0' },
      seeds: { seed: 42 },
    },
    results: {
      run: 'tickets-1',
      weights: { 'adapter_model.safetensors': hash('f') },
      adapter_sha256: hash('f'),
      steps: 2,
      tokens: 10,
      duration_ms: 5,
      final_loss: 2,
      scores: { b: 0.5, a: 1 },
      loss_curve: [
        [1, 2.5],
        [2, 1.5],
      ],
    },
  };
}
