import { expect, test } from 'vitest';

import { recordDatasets, recordMetrics, recordParams } from '../../../src/ledger/metrics.js';
import type { Ledger } from '../../../src/ledger/open.js';
import { findRun, insertRun, unsyncedRuns, updateRun } from '../../../src/ledger/runs.js';
import { syncRuns, type SyncEdges } from '../../../src/tracking/sync.js';
import { newRun, scratchLedger, startedAtMs } from '../training/examples.js';
import { startFakeMlflow } from './fake-mlflow.js';

/** A run that ended while no MLflow was there. */
function addEnded(ledger: Ledger, id: string): void {
  insertRun(ledger, newRun(id));
  recordParams(ledger, id, { seed: '42' });
  recordDatasets(ledger, id, [{ split: 'train', sources: 'data/train.jsonl', rows: 3, sha256: 'a'.repeat(64) }]);
  const steps = Array.from({ length: 2500 }, (_, index) => index + 1);
  recordMetrics(
    ledger,
    id,
    steps.map((step) => ({ key: 'train/loss', step, value: 1 / step, recordedAtMs: startedAtMs + step })),
  );
  updateRun(ledger, id, { state: 'finished', endedAtMs: startedAtMs + 9000 });
}

function edgesTo(ledger: Ledger, trackingUri: string | undefined, enabled = true): SyncEdges {
  return {
    ledger,
    settings: { enabled, port: 1, trackingUri, experiment: 'mlx' },
    environment: {},
    signal: new AbortController().signal,
    uploadsOf: () => ({ folders: [], files: [] }),
    onRun: () => undefined,
  };
}

test('runs of an outage arrive whole, and a second sync has nothing to send', async () => {
  const mlflow = await startFakeMlflow();
  const { ledger } = scratchLedger();
  addEnded(ledger, 'tickets-1');
  addEnded(ledger, 'tickets-2');
  const synced = await syncRuns(edgesTo(ledger, mlflow.uri), unsyncedRuns(ledger));
  expect(synced.map(({ run, created }) => [run, created])).toEqual([
    ['tickets-1', true],
    ['tickets-2', true],
  ]);
  const [run] = mlflow.runs.values();
  expect(run).toMatchObject({ name: 'tickets-1', status: 'FINISHED', endTime: startedAtMs + 9000 });
  expect(run?.metrics).toHaveLength(2500);
  expect(unsyncedRuns(ledger)).toEqual([]);
});

test('sending a run again changes nothing in MLflow', async () => {
  const mlflow = await startFakeMlflow();
  const { ledger } = scratchLedger();
  addEnded(ledger, 'tickets-1');
  await syncRuns(edgesTo(ledger, mlflow.uri), unsyncedRuns(ledger));
  const before = structuredClone([...mlflow.runs]);
  await syncRuns(edgesTo(ledger, mlflow.uri), [findRun(ledger, 'tickets-1')]);
  expect([...mlflow.runs]).toEqual(before);
});

test('a run that MLflow made when its answer got lost is found again by its own id', async () => {
  const mlflow = await startFakeMlflow();
  const { ledger } = scratchLedger();
  addEnded(ledger, 'tickets-1');
  await syncRuns(edgesTo(ledger, mlflow.uri), unsyncedRuns(ledger));
  updateRun(ledger, 'tickets-1', { mlflowRunId: null, mlflowSynced: 0 });
  const [again] = await syncRuns(edgesTo(ledger, mlflow.uri), unsyncedRuns(ledger));
  expect(again).toMatchObject({ mlflowRunId: 'run1', created: false });
  expect(mlflow.runs.size).toBe(1);
});

test('a run that fails half-way goes on in the same MLflow run', async () => {
  const mlflow = await startFakeMlflow();
  const { ledger } = scratchLedger();
  addEnded(ledger, 'tickets-1');
  const edges = edgesTo(ledger, mlflow.uri);
  const failing = { ...edges, uploadsOf: () => ({ folders: [{ folder: '/nowhere', as: 'adapter' }], files: [] }) };
  await expect(syncRuns(failing, unsyncedRuns(ledger))).rejects.toMatchObject({ code: 'ENOENT' });
  expect(findRun(ledger, 'tickets-1')).toMatchObject({ mlflowRunId: 'run1', mlflowSynced: 0 });
  await syncRuns(edges, unsyncedRuns(ledger));
  expect(mlflow.runs.size).toBe(1);
});

test('an MLflow that is off, out of reach, or refuses is named', async () => {
  const { ledger } = scratchLedger();
  addEnded(ledger, 'tickets-1');
  const runs = unsyncedRuns(ledger);
  await expect(syncRuns(edgesTo(ledger, undefined, false), runs)).rejects.toMatchObject({ code: 'MLFLOW_OFF' });
  await expect(syncRuns(edgesTo(ledger, 'http://127.0.0.1:1'), runs)).rejects.toMatchObject({
    code: 'MLFLOW_UNREACHABLE',
    hint: expect.stringContaining('mlx up'),
  });
  const mlflow = await startFakeMlflow();
  mlflow.failWith(500);
  await expect(syncRuns(edgesTo(ledger, mlflow.uri), runs)).rejects.toMatchObject({ code: 'MLFLOW_REFUSED' });
});
