import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { packageRoot } from '../../../src/config/paths.js';
import { runFolder } from '../../../src/training/run-folder.js';
import { recipeParams, trainerJob, trainerSpecification } from '../../../src/training/specification.js';
import { exampleRecipe } from './examples.js';

describe('spec.json', () => {
  it('is the whole contract and nothing of the project', () => {
    const fixture = join(packageRoot(), 'test', 'fixtures', 'trainer', 'spec.json');
    expect(trainerSpecification('tickets-000001', exampleRecipe())).toEqual(JSON.parse(readFileSync(fixture, 'utf8')));
  });

  it('never names a folder of this machine', () => {
    const recipe = exampleRecipe({ base_model: { path: 'models/private' } });
    expect(trainerSpecification('tickets-000001', recipe).base_model).toBe('base');
  });
});

describe('the trainer job', () => {
  const request = {
    runId: 'tickets-000001',
    folder: runFolder('/project/.mlx/runs', 'tickets-000001'),
    baseModel: '/home/models/demo',
    determinism: 'bit-exact' as const,
    gpu: true,
    resume: false,
    environment: { PATH: '/bin', AWS_SECRET_ACCESS_KEY: 'secret' },
  };

  it('has no network, writes to one folder, and is deterministic', () => {
    expect(trainerJob(request)).toEqual({
      id: 'tickets-000001',
      runtime: 'trainer',
      argv: ['train.py', '--spec', '{spec}', '--model', '{model}', '--data', '{data}', '--out', '{out}'],
      mounts: [
        { name: 'spec', source: '/project/.mlx/runs/tickets-000001/spec.json', writable: false },
        { name: 'model', source: '/home/models/demo', writable: false },
        { name: 'data', source: '/project/.mlx/runs/tickets-000001/data', writable: false },
        { name: 'out', source: '/project/.mlx/runs/tickets-000001/out', writable: true },
      ],
      environment: {
        PYTHONHASHSEED: '0',
        PYTHONUNBUFFERED: '1',
        TOKENIZERS_PARALLELISM: 'false',
        HF_HUB_OFFLINE: '1',
        TRANSFORMERS_OFFLINE: '1',
        HF_DATASETS_OFFLINE: '1',
        HF_HUB_DISABLE_TELEMETRY: '1',
        DO_NOT_TRACK: '1',
        CUBLAS_WORKSPACE_CONFIG: ':4096:8',
        FLASH_ATTENTION_DETERMINISTIC: '1',
      },
      network: 'none',
      gpu: true,
    });
  });

  it('resumes, and is faster without the deterministic kernels, when asked to', () => {
    const job = trainerJob({ ...request, resume: true, determinism: 'fast' });
    expect(job.argv.at(-1)).toBe('--resume');
    expect(Object.keys(job.environment)).not.toContain('CUBLAS_WORKSPACE_CONFIG');
  });

  it('sees the GPUs that the person chose', () => {
    const job = trainerJob({ ...request, environment: { CUDA_VISIBLE_DEVICES: '1' } });
    expect(job.environment['CUDA_VISIBLE_DEVICES']).toBe('1');
  });
});

describe('params', () => {
  const base = { repository: 'mlx/demo-base', commit: 'c0ffee' };

  it('are one flat text per setting', () => {
    const recipe = exampleRecipe({
      dataset: { train: ['a.jsonl', 'b.csv'], held_out: 0.2 },
      lora: { target_modules: ['q_proj', 'v_proj'] },
    });
    expect(recipeParams(recipe, base)).toMatchObject({
      model: 'tickets',
      method: 'lora',
      seed: '42',
      'base_model.repository': 'mlx/demo-base',
      'base_model.commit': 'c0ffee',
      'dataset.train': 'a.jsonl, b.csv',
      'dataset.held_out': '0.2',
      'lora.target_modules': 'q_proj, v_proj',
      'lora.use_rslora': 'false',
      'trainer.learning_rate': '0.0002',
      'evaluation.limit': 'all',
    });
  });

  it('leave LoRA out where nothing is trained with it', () => {
    const params = recipeParams(exampleRecipe({ method: 'full' }), base);
    expect(Object.keys(params).filter((key) => key.startsWith('lora'))).toEqual([]);
  });
});
