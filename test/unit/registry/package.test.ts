import { appendFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, test } from 'vitest';

import { findRun, updateRun } from '../../../src/ledger/runs.js';
import { listVersions } from '../../../src/ledger/versions.js';
import { packageRun } from '../../../src/registry/package.js';
import { runFolder } from '../../../src/training/run-folder.js';
import { makeWorld, type World } from './world.js';

let world: World;

beforeEach(async () => {
  world = await makeWorld();
});

afterEach(() => world.close());

function contentsOf(version: number) {
  const digest = world.engine.tags.get(`tickets:v${version}`) ?? '';
  return world.engine.images.get(digest);
}

test('a version holds the adapter, its settings and its card, and says where it comes from', async () => {
  const paths = contentsOf(1)?.files.map(({ path }) => path);
  expect(paths).toEqual([
    'adapter/adapter_config.json',
    'adapter/adapter_model.safetensors',
    'settings.json',
    'model-card.md',
  ]);
  expect(contentsOf(1)?.labels).toMatchObject({
    'mlx.run': 'run-1',
    'mlx.dataset_sha256': 'abc',
    'mlx.base_commit': 'c0ffee',
  });
  const [, first] = listVersions(world.ledger, 'tickets');
  expect(JSON.parse(first?.settings ?? '')).toEqual({
    schema: 1,
    model: 'tickets',
    version: 1,
    method: 'lora',
    adapter: true,
    max_lora_rank: 16,
    max_model_len: 512,
    gpu_memory_utilization: 0.5,
    base_model: { repository: 'mlx/base', commit: 'c0ffee' },
  });
});

test('the card tells figures and hashes, and no row of the data', async () => {
  const written: string[] = [];
  const { packageVersion } = world.engine;
  world.engine.packageVersion = (contents, ...rest) => {
    written.push(
      ...contents.files
        .filter(({ path }) => path === 'model-card.md')
        .map(({ source }) => readFileSync(source, 'utf8')),
    );
    return packageVersion(contents, ...rest);
  };
  await packageRun(world.packageEdges, await world.addRun('run-3'));
  expect(written[0]).toContain('| loss | -- | 0.5 |');
  expect(written[0]).not.toContain('invoice');
});

test('the same run gives the same version again; --new gives the next', async () => {
  const run = findRun(world.ledger, 'run-2');
  expect((await packageRun(world.packageEdges, run)).version).toBe(2);
  expect((await packageRun(world.packageEdges, run, { fresh: true })).version).toBe(3);
});

test('two commands at once make two versions, not one number twice', async () => {
  const runs = [await world.addRun('run-3'), await world.addRun('run-4')];
  const made = await Promise.all(runs.map((run) => packageRun(world.packageEdges, run)));
  expect(made.map(({ version }) => version).sort()).toEqual([3, 4]);
});

test('an image that an interruption left without its row is replaced, whatever run it was of', async () => {
  const cut = await world.addRun('run-cut');
  const { packageVersion } = world.engine;
  world.engine.packageVersion = async (...contents) => {
    await packageVersion(...contents);
    throw new Error('killed here');
  };
  await expect(packageRun(world.packageEdges, cut)).rejects.toThrow('killed here');
  expect(listVersions(world.ledger, 'tickets')).toHaveLength(2);
  expect(world.engine.tags.has('tickets:v3')).toBe(true);
  world.engine.packageVersion = packageVersion;
  const made = await packageRun(world.packageEdges, await world.addRun('run-4'));
  expect(made.version).toBe(3);
  expect(world.engine.tags.get('tickets:v3')).toBe(made.digest);
});

test.each([
  ['running', 'mlx runs logs'],
  ['failed', 'mlx train --resume'],
] as const)('a run that is %s is refused with the next step', async (state, hint) => {
  const run = await world.addRun('run-3');
  updateRun(world.ledger, run.id, { state });
  await expect(packageRun(world.packageEdges, { ...run, state })).rejects.toMatchObject({
    code: 'RUN_NOT_FINISHED',
    hint: expect.stringContaining(hint),
  });
});

test('weights that changed since they were scored are refused', async () => {
  const run = await world.addRun('run-3');
  appendFileSync(join(runFolder(world.paths.runs, run.id).adapter, 'adapter_model.safetensors'), ' ');
  await expect(packageRun(world.packageEdges, run)).rejects.toMatchObject({
    code: expect.stringMatching(/ADAPTER_(CHANGED|UNSAFE)/),
  });
});
