// The loop on a GPU: trained there twice to the same bytes, served by vLLM. Skipped where nvidia-smi finds none.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';

import { freePort } from '../../src/engine/port.js';
import { openLedger } from '../../src/ledger/open.js';
import { findRun } from '../../src/ledger/runs.js';
import { mlx, mlxJson } from '../command/mlx.js';
import { testEnvironment, type Project } from '../host/project.js';
import { makeTinyModel, ticketsProject } from '../host/tickets-project.js';

const recipe = (baseModel: string): string => `model: tickets
base_model: { path: ${baseModel} }
dataset: { train: data/tickets.jsonl, held_out: data/tickets-held-out.jsonl }
trainer: { max_steps: 6, learning_rate: 0.002, per_device_train_batch_size: 4, max_length: 256, logging_steps: 1 }
evaluation: { limit: 4, max_new_tokens: 12, examples: 0 }
serving: { max_model_len: 256 }
`;

let baseModel = '';

describe.skipIf(!hasGpu())(`on a GPU${hasGpu() ? '' : ' (skipped: nvidia-smi finds none)'}`, () => {
  beforeAll(async () => {
    const folder = mkdtempSync(join(tmpdir(), 'mlx-tiny-'));
    baseModel = join(folder, 'base');
    await makeTinyModel(testEnvironment(folder), baseModel);
    return () => rmSync(folder, { recursive: true, force: true });
  });

  test.each(['lora', 'qlora'])('%s trains to the same bytes twice', async (method) => {
    const project = ticketsProject(recipe(baseModel));
    const first = await trainOnce(project, method);
    const second = await trainOnce(project, method);
    expect(first.device).toContain('cuda');
    expect(second.adapterSha256).toBe(first.adapterSha256);
  });

  test('vLLM serves the version, and the gateway passes its answer on', async () => {
    const project = ticketsProject(recipe(baseModel));
    const environment = { ...project.environment, MLX_GATEWAY_PORT: String(await freePort()) };
    const settings = { folder: project.folder, environment };
    onTestFinished(async () => void (await mlx(['down'], settings)));
    await trainOnce(project, 'lora');
    for (const argv of [['package'], ['serve', 'tickets:1'], ['chat', 'tickets', '--message', 'Hello']]) {
      const ended = await mlx(argv, settings);
      expect(ended.status, ended.stderr).toBe(0);
    }
    const status = await mlxJson(['status'], settings);
    expect(status.stdout).toContain('tickets-v1');
  });
});

async function trainOnce({ folder, environment, paths }: Project, method: string) {
  const trained = await mlx(['train', '--set', `method=${method}`], { folder, environment });
  expect(trained.status, trained.stderr).toBe(0);
  const ledger = openLedger(paths.ledgerFile);
  try {
    return findRun(ledger, 'latest');
  } finally {
    ledger.close();
  }
}

function hasGpu(): boolean {
  try {
    return execFileSync('nvidia-smi', ['--list-gpus'], { stdio: ['ignore', 'pipe', 'ignore'] }).includes('GPU ');
  } catch {
    return false;
  }
}
