import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { recordDatasets, recordParams, type Metric } from '../../../src/ledger/metrics.js';
import { findRun, insertRun, updateRun } from '../../../src/ledger/runs.js';
import { startMirror } from '../../../src/tracking/mirror.js';
import { scratchFolder } from '../engine/scratch.js';
import { newRun, scratchLedger, startedAtMs } from '../training/examples.js';
import { startFakeMlflow, type FakeRun } from './fake-mlflow.js';

const runId = 'tickets-000001';

function settingsFor(trackingUri: string | undefined) {
  return { enabled: true, port: 1, trackingUri, experiment: 'mlx' };
}

function ledgerWithRun() {
  const { ledger } = scratchLedger();
  insertRun(ledger, newRun(runId));
  recordParams(
    ledger,
    runId,
    Object.fromEntries(Array.from({ length: 250 }, (_, index) => [`p${index}`, String(index)])),
  );
  recordDatasets(ledger, runId, [{ split: 'train', sources: 'data/train.jsonl', rows: 3, sha256: 'a'.repeat(64) }]);
  return ledger;
}

function losses(count: number, from = 1): Metric[] {
  return Array.from({ length: count }, (_, index) => ({
    key: 'train/loss',
    step: from + index,
    value: 1 / (from + index),
    recordedAtMs: startedAtMs + index,
  }));
}

const nothing = { folders: [], files: [] };

function only(runs: Map<string, FakeRun>): FakeRun {
  const [run] = runs.values();
  if (!run || runs.size !== 1) throw new Error(`expected one run, found ${runs.size}`);
  return run;
}

describe('a mirrored run', () => {
  it('arrives whole: params, data, every metric, tags, files, its end', async () => {
    const mlflow = await startFakeMlflow();
    const ledger = ledgerWithRun();
    const mirror = startMirror({
      ledger,
      run: findRun(ledger, runId),
      settings: settingsFor(mlflow.uri),
      environment: {},
    });
    for (let batch = 0; batch < 30; batch += 1) mirror.metrics(losses(100, batch * 100 + 1));
    updateRun(ledger, runId, { state: 'finished', endedAtMs: startedAtMs + 5000, adapterSha256: 'f00' });
    const adapter = scratchFolder();
    writeFileSync(join(adapter, 'adapter_model.safetensors'), 'weights');
    const end = await mirror.end(findRun(ledger, runId), { folders: [{ folder: adapter, as: 'adapter' }], files: [] });

    expect(end).toEqual({ synced: true, problem: undefined });
    const run = only(mlflow.runs);
    expect(run.params.size).toBe(250);
    expect(run.metrics.map(({ step }) => step)).toEqual(Array.from({ length: 3000 }, (_, index) => index + 1));
    expect(run.datasets).toEqual([{ name: 'tickets/train', digest: 'a'.repeat(36), context: 'train' }]);
    expect(run).toMatchObject({ name: runId, status: 'FINISHED', endTime: startedAtMs + 5000 });
    expect(Object.fromEntries(run.tags)).toMatchObject({
      'mlx.run_id': runId,
      'mlx.base_commit': 'c0ffee',
      'mlx.adapter_sha256': 'f00',
    });
    expect(mlflow.artifacts).toEqual(new Map([['1/run1/artifacts/adapter/adapter_model.safetensors', 'weights']]));
    expect(findRun(ledger, runId).mlflowRunId).toBe('run1');
  });

  it('goes on in the same MLflow run when it is resumed', async () => {
    const mlflow = await startFakeMlflow();
    const ledger = ledgerWithRun();
    const edges = { ledger, settings: settingsFor(mlflow.uri), environment: {} };
    const first = startMirror({ ...edges, run: findRun(ledger, runId) });
    first.metrics(losses(2));
    updateRun(ledger, runId, { state: 'stopped', endedAtMs: startedAtMs + 1 });
    await first.end(findRun(ledger, runId), nothing);
    expect(only(mlflow.runs).status).toBe('KILLED');

    const second = startMirror({ ...edges, run: findRun(ledger, runId) });
    second.metrics(losses(2, 3));
    updateRun(ledger, runId, { state: 'finished' });
    await second.end(findRun(ledger, runId), nothing);
    expect(only(mlflow.runs)).toMatchObject({ status: 'FINISHED' });
    expect(only(mlflow.runs).metrics).toHaveLength(4);
    expect(mlflow.experiments.size).toBe(1);
  });

  it('is sent with the credentials of the environment, and none of them in the address', async () => {
    const mlflow = await startFakeMlflow();
    const ledger = ledgerWithRun();
    const address = mlflow.uri.replace('http://', 'http://ann:secret@');
    const mirror = startMirror({
      ledger,
      run: findRun(ledger, runId),
      settings: settingsFor(undefined),
      environment: { MLFLOW_TRACKING_URI: address },
    });
    await mirror.end(findRun(ledger, runId), nothing);
    expect([...mlflow.authorizations]).toEqual([`Basic ${Buffer.from('ann:secret').toString('base64')}`]);
  });
});

describe('MLflow in trouble', () => {
  it('that is simply not there costs a run nothing and is not worth a word', async () => {
    const ledger = ledgerWithRun();
    const mirror = startMirror({
      ledger,
      run: findRun(ledger, runId),
      settings: settingsFor(undefined),
      environment: {},
    });
    mirror.metrics(losses(1));
    expect(await mirror.end(findRun(ledger, runId), nothing)).toEqual({ synced: false, problem: undefined });
  });

  it('that was asked for by name and does not answer is named', async () => {
    const ledger = ledgerWithRun();
    const environment = { MLFLOW_TRACKING_URI: 'http://127.0.0.1:1' };
    const mirror = startMirror({ ledger, run: findRun(ledger, runId), settings: settingsFor(undefined), environment });
    const end = await mirror.end(findRun(ledger, runId), nothing);
    expect(end.synced).toBe(false);
    expect(end.problem).toContain('http://127.0.0.1:1');
  });

  it('in the middle of a run leaves the run unsynced and says why', async () => {
    const mlflow = await startFakeMlflow();
    const ledger = ledgerWithRun();
    const mirror = startMirror({
      ledger,
      run: findRun(ledger, runId),
      settings: settingsFor(mlflow.uri),
      environment: {},
    });
    mirror.metrics(losses(1));
    await expect.poll(() => mlflow.runs.get('run1')?.metrics.length).toBe(1);
    mlflow.failWith(500);
    mirror.metrics(losses(1, 2));
    const end = await mirror.end(findRun(ledger, runId), nothing);
    expect(end).toEqual({
      synced: false,
      problem: `MLflow at ${mlflow.uri} did not get everything: MLflow answered 500 to /api/2.0/mlflow/runs/log-batch: broken`,
    });
  });

  it('that is switched off, or no server, is left alone', async () => {
    const mlflow = await startFakeMlflow();
    const ledger = ledgerWithRun();
    const run = findRun(ledger, runId);
    const off = startMirror({ ledger, run, settings: { ...settingsFor(mlflow.uri), enabled: false }, environment: {} });
    const file = startMirror({
      ledger,
      run,
      settings: settingsFor(mlflow.uri),
      environment: { MLFLOW_TRACKING_URI: 'file:///mlruns' },
    });
    expect(await off.end(run, nothing)).toEqual({ synced: false, problem: undefined });
    expect(await file.end(run, nothing)).toEqual({ synced: false, problem: undefined });
    expect(mlflow.calls).toEqual([]);
  });

  it('that keeps artifacts elsewhere gets a tag instead of files', async () => {
    const mlflow = await startFakeMlflow();
    const ledger = ledgerWithRun();
    mlflow.keepArtifactsIn('s3://bucket');
    const mirror = startMirror({
      ledger,
      run: findRun(ledger, runId),
      settings: settingsFor(mlflow.uri),
      environment: {},
    });
    const folder = scratchFolder();
    writeFileSync(join(folder, 'spec.json'), '{}');
    const end = await mirror.end(findRun(ledger, runId), {
      folders: [],
      files: [{ file: join(folder, 'spec.json'), as: 'spec.json' }],
    });
    expect(end.synced).toBe(true);
    expect(only(mlflow.runs).tags.get('mlx.artifacts')).toContain('kept by mlx only');
    expect(mlflow.artifacts.size).toBe(0);
  });
});
