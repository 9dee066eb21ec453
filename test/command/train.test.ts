import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { describe, expect, it, onTestFinished } from 'vitest';

import { mlx, mlxJson } from './mlx.js';

const recipe = `base_model: { repository: mlx/demo-base }
dataset: { train: data/train.jsonl, held_out: data/held-out.jsonl }
trainer: { per_device_train_batch_size: 2, num_train_epochs: 3 }
`;

function project(): { folder: string } {
  const folder = mkdtempSync(join(tmpdir(), 'mlx-train-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  mkdirSync(join(folder, 'recipes'));
  mkdirSync(join(folder, 'data'));
  const row = (text: string): string => `${JSON.stringify({ prompt: text, completion: 'yes' })}\n`;
  writeFileSync(join(folder, 'mlx.yaml'), 'engine: host\n');
  writeFileSync(join(folder, 'recipes', 'tickets.yaml'), recipe);
  writeFileSync(join(folder, 'data', 'train.jsonl'), ['a', 'b', 'c', 'd', 'e'].map(row).join(''));
  writeFileSync(join(folder, 'data', 'held-out.jsonl'), row('f'));
  return { folder };
}

describe('mlx train --dry-run', () => {
  it('shows the steps, the rows and every setting, and changes nothing', async () => {
    const place = project();
    const { value, status } = await mlxJson(['train', '--dry-run', '--set', 'lora.r=4'], place);
    expect(status).toBe(0);
    expect(value).toMatchObject({
      recipe: 'tickets',
      base_model: 'mlx/demo-base@main',
      base_model_present: false,
      steps: 9,
      datasets: [
        { split: 'train', rows: 5 },
        { split: 'held_out', rows: 1 },
      ],
      params: { 'lora.r': '4', 'trainer.per_device_train_batch_size': '2' },
    });
    expect(existsSync(join(place.folder, '.mlx'))).toBe(false);
    const { stdout } = await mlx(['train', '--dry-run'], place);
    expect(stdout).toContain('note: mlx/demo-base@main is not on this machine yet');
    expect(stdout.split('\n').slice(0, 3)).toEqual([
      'Would train tickets on mlx/demo-base@main, about 9 steps. Nothing was changed.',
      '  train: 5 rows of data/train.jsonl',
      '  held_out: 1 rows of data/held-out.jsonl',
    ]);
  });
});

describe('mlx train refuses', () => {
  it.each([
    ['a recipe that is not there', ['train', 'orders'], 'RECIPE_NOT_FOUND', 2],
    ['a setting that is not there', ['train', '--set', 'lora.rank=4'], 'RECIPE_INVALID', 2],
    ['a row file that is not there', ['train', '--set', 'dataset.train=gone.jsonl'], 'DATA_NOT_FOUND', 2],
    ['a name that cannot be a container', ['train', '--name', 'My Run'], 'USAGE', 2],
    ['settings for a resumed run', ['train', '--resume', 'latest', '--set', 'lora.r=4'], 'USAGE', 2],
    ['to resume what never was', ['train', '--resume', 'latest'], 'NOT_FOUND', 2],
    ['to detach what cannot begin', ['train', 'orders', '--detach'], 'RECIPE_NOT_FOUND', 2],
  ])('%s', async (_what, argv, code, status) => {
    const place = project();
    const refused = await mlxJson(argv, place);
    expect(refused.status).toBe(status);
    expect(refused.value).toMatchObject({ error: { code, hint: expect.any(String) } });
    const runs = join(place.folder, '.mlx', 'runs');
    expect(existsSync(runs) ? readdirSync(runs) : []).toEqual([]);
  });
});
