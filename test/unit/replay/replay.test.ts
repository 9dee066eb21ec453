// Lock, drift and replay in a real project, with a scripted trainer in the place of the real one.
import { readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { findRun } from '../../../src/ledger/runs.js';
import { replay, replayStatus } from '../../../src/replay/replay.js';
import { renderReport } from '../../../src/replay/report.js';
import { train } from '../../../src/training/train.js';
import { fakeEngine, goodTrainer } from '../training/fake-engine.js';
import { edgesOf, tickets } from '../training/tickets-project.js';
import { weightsFile } from './weights.js';
import { again, check, drifted, plain, row, sourceOf, trained, type World } from './world.js';

describe('a replay where nothing changed', () => {
  it('trains again as a run of its own, finds the same bytes, and leaves the lock as it was', async () => {
    const world = await trained();
    const lockFile = join(world.folder, 'recipes', 'tickets.lock.yaml');
    const before = readFileSync(lockFile, 'utf8');
    const report = await again(world);
    expect(report).toMatchObject({
      verdict: 'identical',
      replayOf: world.first,
      comparison: { adapter: { equal: true } },
    });
    expect(replayStatus(report)).toBe(0);
    expect(findRun(world.ledger, report.run ?? '')).toMatchObject({ state: 'finished', replayOf: world.first });
    expect(readFileSync(lockFile, 'utf8')).toBe(before);
  });

  it('gives the settings of the lock again that were flags then', async () => {
    const world = await trained();
    await train(world.edges, { ...tickets, overrides: ['lora.r=4'] });
    expect((await again(world)).verdict).toBe('identical');
    expect(JSON.parse(readFileSync(world.engine.jobs.at(-1)?.mounts[0]?.source ?? '', 'utf8'))).toMatchObject({
      lora: { r: 4 },
    });
  });

  it('is told before the training begins', async () => {
    const world = await trained();
    const jobs: number[] = [];
    await replay(world.edges, await sourceOf(world), plain, () => jobs.push(world.engine.jobs.length));
    expect(jobs).toEqual([1]);
    expect(world.engine.jobs).toHaveLength(2);
  });
});

describe('what changed is named before training', () => {
  it.each<[string, (world: World) => void, string[]]>([
    [
      'a package version',
      ({ engine }) =>
        (engine.runtime = { ...engine.runtime, installed: { ...engine.runtime.installed, numpy: '2.4.5' } }),
      ['runtime.packages.numpy'],
    ],
    [
      'a seed',
      ({ file }) =>
        file(
          'recipes/tickets.yaml',
          'seed: 43\nbase_model: { path: base }\ndataset: { train: data/train.jsonl, held_out: data/held-out.jsonl }\n',
        ),
      ['recipe.settings.seed', 'determinism.seeds.seed'],
    ],
    [
      'a file of the base model',
      ({ file }) => file('base/config.json', '{"changed":true}'),
      ['base_model.files.config.json'],
    ],
    [
      'a setting of the recipe',
      ({ file }) =>
        file(
          'recipes/tickets.yaml',
          'lora: { r: 5 }\nbase_model: { path: base }\ndataset: { train: data/train.jsonl, held_out: data/held-out.jsonl }\n',
        ),
      ['recipe.settings.lora.r'],
    ],
    [
      'the order of the rows',
      ({ file }) => file('data/train.jsonl', row('two') + row('one') + row('three')),
      ['dataset.train.order'],
    ],
  ])('%s', async (_what, change, fields) => {
    const world = await trained();
    change(world);
    const report = await check(world);
    expect(drifted(report)).toEqual(fields);
    expect(replayStatus(report)).toBe(6);
    if (fields[0]?.startsWith('dataset') === true) return;
    expect(await again(world)).toMatchObject({ verdict: 'drift', run: null });
    expect(world.engine.jobs).toHaveLength(1);
  });

  it('another order of the rows, by the first that stands elsewhere', async () => {
    const world = await trained();
    world.file('data/train.jsonl', row('one') + row('three') + row('two'));
    const report = await check(world);
    expect(report.rows).toEqual([{ split: 'train', change: 'reordered', file: 'data/train.jsonl', line: 2 }]);
    expect(renderReport(report, 100)).toContain(
      'from data/train.jsonl line 2 on the rows of train are in another order',
    );
  });

  it('a row, by its file and line', async () => {
    const world = await trained();
    world.file('data/train.jsonl', row('one') + row('other') + row('three') + row('four more'));
    const report = await check(world);
    expect(drifted(report)).toEqual(['dataset.train.rows']);
    expect(report.rows).toEqual([
      { split: 'train', change: 'changed', file: 'data/train.jsonl', line: 2 },
      { split: 'train', change: 'added', file: 'data/train.jsonl', line: 4 },
    ]);
    expect(world.engine.jobs).toHaveLength(1);
  });

  it('a byte of the base model that leaves size and time as they were: a replay reads every byte', async () => {
    const world = await trained();
    const config = join(world.folder, 'base', 'config.json');
    writeFileSync(config, '{"a":1}');
    const at = new Date('2026-01-01T00:00:00Z');
    utimesSync(config, at, at);
    const { edges } = edgesOf(world, world.engine);
    await train(edges, tickets);
    writeFileSync(config, '{"a":2}');
    utimesSync(config, at, at);
    expect(drifted(await again(world))).toEqual(['base_model.files.config.json']);
  });

  it('but what was allowed goes on', async () => {
    const world = await trained();
    world.engine.runtime = { ...world.engine.runtime, installed: { numpy: '9' } };
    expect((await check(world, ['runtime.packages'])).verdict).toBe('no_drift');
    expect((await again(world, { ...plain, allowed: ['runtime'] })).verdict).toBe('identical');
  });
});

describe('what is missing', () => {
  it('rows that changed, or are gone, come from the content store', async () => {
    const world = await trained();
    world.file('data/train.jsonl', row('other'));
    const changed = await again(world);
    expect(changed).toMatchObject({ verdict: 'identical', restored: [expect.stringContaining('.mlx/store')] });
    expect(changed.changedRows).toBe(3);
    rmSync(join(world.folder, 'data'), { recursive: true });
    expect(await again(world)).toMatchObject({ verdict: 'identical' });
    const held = join(world.paths.runs, findRun(world.ledger, 'latest').id, 'data', 'held_out.jsonl');
    expect(readFileSync(held, 'utf8')).toContain('four');
  });

  it('a replay of restored rows can itself be replayed', async () => {
    const world = await trained();
    rmSync(join(world.folder, 'data'), { recursive: true });
    const { run } = await again(world);
    expect(await again(world, plain, run ?? '')).toMatchObject({ verdict: 'identical', replayOf: run });
  });

  it('packages of another mlx do not matter while the runtime of the lock is still there', async () => {
    const world = await trained();
    world.engine.earlier = [world.engine.runtime];
    world.engine.runtime = { reference: 'trainer.txt@2', id: 'lock-2', python: '3.11.9', installed: { numpy: '9' } };
    expect(drifted(await check(world))).toContain('runtime.reference');
    expect(await again(world)).toMatchObject({ verdict: 'identical', restored: [expect.stringContaining('lock-1')] });
    expect(world.engine.jobs.at(-1)?.runtimeId).toBe('lock-1');
    world.engine.earlier = [];
    expect(drifted(await again(world))).toContain('runtime.packages.numpy');
  });

  it('rows that are nowhere stop a replay', async () => {
    const world = await trained();
    rmSync(join(world.folder, 'data'), { recursive: true });
    rmSync(world.paths.store, { recursive: true });
    await expect(again(world)).rejects.toMatchObject({
      code: 'ROWS_MISSING',
      hint: expect.stringContaining('git checkout'),
    });
    expect(drifted(await check(world))).toContain('dataset.train.rows');
  });

  it('a row in the store that somebody changed is not taken', async () => {
    const world = await trained();
    rmSync(join(world.folder, 'data'), { recursive: true });
    for (const name of readdirSync(world.paths.store, { recursive: true, encoding: 'utf8' })) {
      if (name.length > 60) writeFileSync(join(world.paths.store, name), 'changed');
    }
    await expect(again(world)).rejects.toMatchObject({ code: 'ROWS_MISSING' });
  });

  it('a runtime that is not installed is judged by what would be installed', async () => {
    const world = await trained();
    world.engine.runtime = { reference: 'trainer.txt@1', id: undefined, python: undefined, installed: undefined };
    const { fields } = await check(world);
    expect(fields.find(({ field }) => field === 'runtime.id')).toMatchObject({ status: 'unknown' });
    expect(fields.find(({ field }) => field === 'runtime.packages.accelerate')).toMatchObject({ status: 'drift' });
  });
});

describe('a replay with another result', () => {
  const trainer = (value: number) => async (inside: Parameters<typeof goodTrainer>[0]) => {
    const exit = await goodTrainer(inside);
    const weights = weightsFile({ lora_A: { dtype: 'F32', values: [1, value] } });
    writeFileSync(join(inside.folder('out'), 'adapter', 'adapter_model.safetensors'), weights);
    return exit;
  };

  it('is equivalent within the tolerance, or different, with the tensor that is farthest away', async () => {
    const world = await trained(fakeEngine(trainer(1)));
    world.engine.trainer = trainer(1.001);
    expect(await again(world)).toMatchObject({
      verdict: 'equivalent',
      comparison: { tensors: { largest: { tensor: 'lora_A' } } },
    });
    const strict = await again(world, { ...plain, tolerance: 0.0001 });
    expect(strict.verdict).toBe('different');
    expect(replayStatus(strict)).toBe(6);
  });

  it('that failed says how, with the status of its error', async () => {
    const world = await trained();
    world.engine.trainer = ({ say }) => {
      say({ event: 'error', code: 'OUT_OF_MEMORY', message: 'no room' });
      return { status: 1 };
    };
    const report = await again(world);
    expect(report).toMatchObject({ verdict: 'not_finished', error: { code: 'OUT_OF_MEMORY' } });
    expect(replayStatus(report)).toBe(1);
  });
});

it('a run is replayed by its own recipe, whatever the YAML says today', async () => {
  const world = await trained();
  rmSync(join(world.folder, 'recipes'), { recursive: true });
  expect(await again(world, plain, world.first)).toMatchObject({ verdict: 'identical', replayOf: world.first });
});
