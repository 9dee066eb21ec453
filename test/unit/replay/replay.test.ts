// Lock, drift and replay in a real project, with a scripted trainer in the place of the real one.
import { readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { findRun } from '../../../src/ledger/runs.js';
import { checkLock, replay, replayStatus, type ReplayReport, type ReplayWish } from '../../../src/replay/replay.js';
import { renderReport } from '../../../src/replay/report.js';
import { findLock } from '../../../src/replay/source.js';
import { train, type TrainEdges } from '../../../src/training/train.js';
import { fakeEngine, goodTrainer, type FakeEngine } from '../training/fake-engine.js';
import { edgesOf, project, tickets } from '../training/tickets-project.js';
import { weightsFile } from './weights.js';

const plain: ReplayWish = { allowed: [], tolerance: 0.01 };

type World = ReturnType<typeof project> & { engine: FakeEngine; edges: TrainEdges; first: string };

/** A project in which `tickets` was trained once. */
async function trained(engine = fakeEngine()): Promise<World> {
  const place = project();
  const { edges } = edgesOf(place, engine);
  const { id } = await train(edges, tickets);
  return { ...place, engine, edges, first: id };
}

const sourceOf = ({ paths, ledger }: World, reference = 'tickets') =>
  findLock({ paths, ledger: () => Promise.resolve(ledger) }, reference);

async function check(world: World, allowed: string[] = []): Promise<ReplayReport> {
  return checkLock(world.edges, await sourceOf(world), { allowed });
}

async function again(world: World, wish = plain, reference?: string): Promise<ReplayReport> {
  return replay(world.edges, await sourceOf(world, reference), wish, () => undefined);
}

const drifted = ({ fields }: ReplayReport): string[] =>
  fields.filter(({ status, allowed }) => status === 'drift' && !allowed).map(({ field }) => field);

const row = (question: string): string => `${JSON.stringify({ prompt: question, completion: '{"a":1}' })}\n`;

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

  it('a base model that is not here is unknown to a check', async () => {
    const world = await trained();
    rmSync(join(world.folder, 'base'), { recursive: true });
    const { fields } = await check(world);
    expect(fields.find(({ field }) => field === 'base_model.files')).toMatchObject({ status: 'unknown' });
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

describe('a recipe in a folder of its own', () => {
  const recipe = 'base_model: { path: base }\ndataset: { train: data/train.jsonl, held_out: data/held-out.jsonl }\n';

  async function smoke() {
    const place = project();
    place.file('recipes/ci/smoke.yaml', recipe);
    const { edges, notes } = edgesOf(place, fakeEngine());
    const { id } = await train(edges, { recipe: 'recipes/ci/smoke.yaml', overrides: ['seed=9'] });
    return { ...place, edges, notes, id, engine: fakeEngine(), first: id };
  }

  it('is told by its path, with the overrides that its lock holds', async () => {
    const { notes } = await smoke();
    expect(notes.at(-1)).toBe(
      'Locked in recipes/ci/smoke.lock.yaml with overrides seed=9, which the recipe does not say: commit it with its .rows, ' +
        'and mlx replay recipes/ci/smoke.yaml does this run again.',
    );
  });

  it.each(['smoke', 'ci/smoke', 'recipes/ci/smoke.yaml'])(
    'is found as %s before the runs of this name',
    async (name) => {
      const world = await smoke();
      await train(world.edges, { recipe: 'recipes/ci/smoke.yaml', overrides: [], lock: false });
      expect((await sourceOf(world, name)).shown).toBe('recipes/ci/smoke.lock.yaml');
      expect((await sourceOf(world, world.id)).shown).toContain(world.id);
    },
  );

  it('of which there are two is refused with both', async () => {
    const world = await smoke();
    world.file('recipes/other/smoke.lock.yaml', '');
    await expect(sourceOf(world, 'smoke')).rejects.toMatchObject({
      code: 'AMBIGUOUS',
      message: expect.stringContaining('recipes/ci/smoke.lock.yaml, recipes/other/smoke.lock.yaml'),
    });
  });

  it('whose rows changed is locked anew by its path', async () => {
    const world = await smoke();
    world.file('data/train.jsonl', row('other'));
    const report = await checkLock(world.edges, await sourceOf(world, 'smoke'), { allowed: [] });
    expect(renderReport(report, 200)).toContain('mlx train recipes/ci/smoke.yaml');
    expect(renderReport(report, 200)).toMatch(/recipe\.overrides +seed=9/);
  });
});

it('a conclusion names the drift that was allowed', async () => {
  const world = await trained();
  world.file('data/train.jsonl', row('other'));
  const said = renderReport(await check(world, ['dataset.train']), 200);
  expect(said).toContain('no drift but what was allowed: dataset.train.rows');
  expect(renderReport(await check(await trained()), 200)).toContain('A replay would start from what the lock says.');
});

it('a replay that was interrupted is to be replayed, not resumed', async () => {
  const world = await trained();
  world.engine.trainer = ({ say }) => {
    say({ event: 'stopped', step: 1 });
    return { status: 0 };
  };
  expect(await again(world)).toMatchObject({
    verdict: 'not_finished',
    error: { code: 'INTERRUPTED', hint: `Replay it again, from its beginning: mlx replay ${world.first}` },
  });
});
