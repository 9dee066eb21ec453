import { existsSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { currentOwner } from '../../../src/engine/owner.js';
import { MlxError } from '../../../src/errors.js';
import { latestMetrics, runDatasets, runParams } from '../../../src/ledger/metrics.js';
import { findRun, listRuns } from '../../../src/ledger/runs.js';
import { train } from '../../../src/training/train.js';
import { fakeEngine, goodTrainer, step, writeCheckpoint } from './fake-engine.js';
import { edgesOf, project, tickets } from './tickets-project.js';

describe('a training', () => {
  it('ends as a finished run with everything that happened', async () => {
    const place = project();
    const engine = fakeEngine();
    const run = await train(edgesOf(place, engine).edges, { ...tickets, overrides: ['lora.r=4'] });

    expect(run).toMatchObject({
      state: 'finished',
      owner: null,
      seal: 'namespace',
      steps: 2,
      tokens: 64,
      device: 'cpu: AMD EPYC',
      runtime: 'lock-1',
      errorCode: null,
    });
    expect(run.id).toMatch(/^tickets-[0-9a-f]{6}$/);
    expect(run.adapterSha256).toMatch(/^[0-9a-f]{64}$/);
    expect(latestMetrics(place.ledger, run.id)).toMatchObject({
      'train/loss': 1.5,
      'held_out/base/exact_match': 0,
      'held_out/tuned/exact_match': 0.8,
      'train/mean_loss': 2,
      wrapper_ms: expect.any(Number),
    });
    expect(runParams(place.ledger, run.id)).toMatchObject({ 'lora.r': '4', 'versions.torch': '2.13.0' });
    expect(runDatasets(place.ledger, run.id).map(({ split, rows }) => [split, rows])).toEqual([
      ['held_out', 1],
      ['train', 3],
    ]);
    const folder = join(place.paths.runs, run.id);
    expect(readdirSync(folder).sort()).toEqual([
      'data',
      'events.jsonl',
      'examples.json',
      'out',
      'recipe.json',
      'resolution.json',
      'run.lock.rows',
      'run.lock.yaml',
      'spec.json',
      'trainer.log',
    ]);
    expect(JSON.parse(readFileSync(join(folder, 'spec.json'), 'utf8'))).toMatchObject({
      run_id: run.id,
      lora: { r: 4 },
    });
    expect(engine.jobs.map(({ network, gpu }) => ({ network, gpu }))).toEqual([{ network: 'none', gpu: false }]);
  });

  it('is in the ledger, running and owned, while the trainer works', async () => {
    const place = project();
    const states: unknown[] = [];
    const engine = fakeEngine((inside) => {
      states.push(
        listRuns(place.ledger, { sort: 'started', descending: true, limit: 9 }).map(({ state, owner }) => [
          state,
          owner,
        ]),
      );
      return goodTrainer(inside);
    });
    await train(edgesOf(place, engine).edges, tickets);
    expect(states).toEqual([[['running', currentOwner()]]]);
  });

  it.each([
    ['an unknown recipe', { recipe: 'nothing', overrides: [] }, 'RECIPE_NOT_FOUND'],
    ['a wrong setting', { recipe: 'tickets', overrides: ['lora.rank=4'] }, 'RECIPE_INVALID'],
    ['missing data', { recipe: 'tickets', overrides: ['dataset.train=gone.jsonl'] }, 'DATA_NOT_FOUND'],
    ['a missing base model', { recipe: 'tickets', overrides: ['base_model.path=gone'] }, 'NOT_FOUND'],
  ])('that cannot begin because of %s leaves nothing behind', async (_why, request, code) => {
    const place = project();
    await expect(train(edgesOf(place, fakeEngine()).edges, request)).rejects.toMatchObject({ code });
    expect(listRuns(place.ledger, { sort: 'started', descending: true, limit: 9 })).toEqual([]);
    expect(existsSync(place.paths.runs) ? readdirSync(place.paths.runs) : []).toEqual([]);
  });

  it('that says it finished but left no adapter has failed', async () => {
    const place = project();
    const engine = fakeEngine(({ say }) => {
      say({
        event: 'result',
        steps: 1,
        train_loss: 1,
        tokens: 1,
        train_duration_ms: 1,
        duration_ms: 1,
        peak_memory_gib: 1,
        output: 'adapter',
      });
      return {};
    });
    expect(await train(edgesOf(place, engine).edges, tickets)).toMatchObject({
      state: 'failed',
      errorCode: 'ADAPTER_MISSING',
      adapterSha256: null,
    });
  });

  it('that fails in the trainer keeps its code, its message and a hint', async () => {
    const place = project();
    const engine = fakeEngine(({ say }) => {
      say({ event: 'error', code: 'OUT_OF_MEMORY', message: 'tried to allocate 2 GiB' });
      return { status: 1 };
    });
    const run = await train(edgesOf(place, engine).edges, tickets);
    expect(run).toMatchObject({ state: 'failed', errorCode: 'OUT_OF_MEMORY', owner: null });
    expect(run.errorHint).toContain('per_device_train_batch_size=4');
  });

  it('whose engine cannot be reached any more when it begins is a failed run', async () => {
    const place = project();
    const { edges } = edgesOf(place, fakeEngine());
    const engine: typeof edges.engine = (kind) =>
      kind === undefined ? edges.engine() : Promise.reject(new MlxError('DOCKER_UNREACHABLE', 'No Engine answers.'));
    expect(await train({ ...edges, engine }, tickets)).toMatchObject({
      state: 'failed',
      owner: null,
      errorCode: 'DOCKER_UNREACHABLE',
    });
  });

  it('whose engine goes away is a failed run, not a crash', async () => {
    const place = project();
    const engine = fakeEngine(() => {
      throw new MlxError('DOCKER_UNREACHABLE', 'The Engine stopped answering.', { hint: 'Start it.' });
    });
    expect(await train(edgesOf(place, engine).edges, tickets)).toMatchObject({
      state: 'failed',
      errorCode: 'DOCKER_UNREACHABLE',
      errorHint: 'Start it.',
    });
  });
});

describe.runIf(existsSync('/dev/full'))('a full disk', () => {
  it('stops the trainer and ends the run as failed, with how to go on', async () => {
    const place = project();
    const engine = fakeEngine(async ({ say, waitForStop }) => {
      say(step(1, 2.5));
      await waitForStop();
      return { status: 130 };
    });
    const { edges } = edgesOf(place, engine);
    const onBegin = (id: string): void => symlinkSync('/dev/full', join(place.paths.runs, id, 'events.jsonl'));
    const run = await train({ ...edges, onBegin }, tickets);
    expect(run).toMatchObject({ state: 'failed', errorCode: 'DISK_FULL', owner: null });
    expect(run.errorHint).toContain(`mlx train --resume ${run.id}`);
  });
});

describe('stop and resume', () => {
  const stoppable = ({ folder, say, waitForStop }: Parameters<typeof goodTrainer>[0]) => {
    say(step(1, 2.5));
    return waitForStop().then(() => {
      writeCheckpoint(folder('out'), 1);
      say({ event: 'stopped', step: 1 });
      return { status: 130 };
    });
  };

  it('a stopped run keeps its steps and goes on under the same id, with what it stored', async () => {
    const place = project();
    const ctrlC = new AbortController();
    const engine = fakeEngine(stoppable);
    const { edges } = edgesOf(place, engine, ctrlC.signal);
    const ending = train({ ...edges, onEvent: ({ event }) => void (event === 'step' && ctrlC.abort()) }, tickets);
    const stopped = await ending;
    expect(stopped).toMatchObject({ state: 'stopped', errorCode: 'INTERRUPTED' });
    expect(stopped.errorHint).toBe(`Go on from the last checkpoint: mlx train --resume ${stopped.id}`);
    expect(latestMetrics(place.ledger, stopped.id)['train/loss']).toBe(2.5);

    place.file('recipes/tickets.yaml', 'nonsense');
    place.file('data/train.jsonl', '');
    engine.trainer = goodTrainer;
    const again = edgesOf(place, engine);
    const finished = await train(again.edges, { recipe: undefined, overrides: [], resume: stopped.id });
    expect(finished).toMatchObject({
      id: stopped.id,
      state: 'finished',
      errorCode: null,
      startedAtMs: stopped.startedAtMs,
    });
    expect(again.kinds).toContain('host');
    expect(engine.jobs.map(({ argv }) => argv.includes('--resume'))).toEqual([false, true]);
  });

  it('a finished run is not resumed', async () => {
    const place = project();
    const { edges } = edgesOf(place, fakeEngine());
    const run = await train(edges, tickets);
    await expect(train(edges, { recipe: undefined, overrides: [], resume: run.id })).rejects.toMatchObject({
      code: 'USAGE',
    });
  });

  it('a run whose rows were changed is not resumed, and stays as it was', async () => {
    const place = project();
    const engine = fakeEngine(() => ({ status: 1 }));
    const { edges } = edgesOf(place, engine);
    const failed = await train(edges, tickets);
    writeFileSync(join(place.paths.runs, failed.id, 'data', 'train.jsonl'), '{}\n');
    await expect(train(edges, { recipe: undefined, overrides: [], resume: failed.id })).rejects.toMatchObject({
      code: 'DATA_INVALID',
    });
    expect(findRun(place.ledger, failed.id)).toEqual(failed);
  });
});
