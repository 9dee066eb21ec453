// Mirrors runs to a real MLflow, started as `mlx up` starts it.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { recordDatasets, recordMetrics, recordParams, type Metric } from '../../src/ledger/metrics.js';
import { openLedger } from '../../src/ledger/open.js';
import { findRun, insertRun, unsyncedRuns, updateRun } from '../../src/ledger/runs.js';
import type { Uploads } from '../../src/tracking/delivery.js';
import { startMirror } from '../../src/tracking/mirror.js';
import { syncRuns } from '../../src/tracking/sync.js';
import { runningMlflow } from './mlflow-project.js';

const signal = new AbortController().signal;
const id = 'tickets-000001';

describe('a run in a real MLflow', () => {
  it('has its params, metrics, data, tags and adapter, and goes on in the same run when it is resumed', async () => {
    const { project, ask, settings } = await runningMlflow();
    const ledger = openLedger(project.paths.ledgerFile);
    const startedAtMs = Date.now();
    insertRun(ledger, {
      id,
      recipe: 'tickets',
      recipeFile: 'r',
      method: 'lora',
      baseModel: 'mlx/demo-base',
      baseCommit: 'c0ffee',
      seed: 1,
      engine: 'host',
      owner: null,
      startedAtMs,
    });
    recordParams(
      ledger,
      id,
      Object.fromEntries(Array.from({ length: 150 }, (_, index) => [`group.p${index}`, String(index)])),
    );
    recordDatasets(ledger, id, [{ split: 'train', sources: 'data/tickets.jsonl', rows: 3, sha256: 'a'.repeat(64) }]);
    const losses = (from: number): Metric[] =>
      Array.from({ length: 1200 }, (_, index) => ({
        key: 'train/loss',
        step: from + index,
        value: 1 / (from + index),
        recordedAtMs: startedAtMs,
      }));

    const first = startMirror({ ledger, run: findRun(ledger, id), settings, environment: {} });
    first.metrics(losses(1));
    updateRun(ledger, id, { state: 'stopped', endedAtMs: startedAtMs + 1000 });
    expect(await first.end(findRun(ledger, id), { folders: [], files: [] })).toEqual({
      synced: true,
      problem: undefined,
    });
    const mlflowRunId = findRun(ledger, id).mlflowRunId ?? '';
    expect(await ask(`mlflow/runs/get?run_id=${mlflowRunId}`)).toMatchObject({ run: { info: { status: 'KILLED' } } });

    const second = startMirror({ ledger, run: findRun(ledger, id), settings, environment: {} });
    second.metrics(losses(1201));
    recordParams(ledger, id, { 'versions.torch': '2.13.0' });
    updateRun(ledger, id, { state: 'finished', adapterSha256: 'f00', endedAtMs: startedAtMs + 2000 });
    expect(await second.end(findRun(ledger, id), uploads(project.folder))).toEqual({
      synced: true,
      problem: undefined,
    });

    expect(findRun(ledger, id).mlflowRunId).toBe(mlflowRunId);
    expect(await ask(`mlflow/runs/get?run_id=${mlflowRunId}`)).toMatchObject({
      run: {
        info: { run_name: id, status: 'FINISHED', end_time: startedAtMs + 2000 },
        data: {
          params: expect.arrayContaining([
            { key: 'group.p149', value: '149' },
            { key: 'versions.torch', value: '2.13.0' },
          ]),
          metrics: [expect.objectContaining({ key: 'train/loss', step: 2400 })],
          tags: expect.arrayContaining([
            { key: 'mlx.adapter_sha256', value: 'f00' },
            { key: 'mlx.base_commit', value: 'c0ffee' },
          ]),
        },
        inputs: { dataset_inputs: [{ dataset: { name: 'tickets/train', digest: 'a'.repeat(36) } }] },
      },
    });
    const artifacts = (await ask(`mlflow/artifacts/list?run_id=${mlflowRunId}&path=adapter`)) as {
      files: { path: string; file_size: number }[];
    };
    expect(artifacts.files).toEqual([
      expect.objectContaining({ path: 'adapter/adapter_model.safetensors', file_size: 3_000_000 }),
    ]);

    // The ledger forgot which MLflow run it is: `mlx runs sync` finds it, and sending all again changes nothing.
    const before = await ask(`mlflow/runs/get?run_id=${mlflowRunId}`);
    recordMetrics(ledger, id, [...losses(1), ...losses(1201)]);
    updateRun(ledger, id, { mlflowRunId: null, mlflowSynced: 0 });
    const synced = await syncRuns(
      {
        ledger,
        settings,
        environment: {},
        signal,
        uploadsOf: () => ({ folders: [], files: [] }),
        onRun: () => undefined,
      },
      unsyncedRuns(ledger),
    );
    expect(synced).toEqual([{ run: id, mlflowRunId, created: false }]);
    expect(await ask(`mlflow/runs/get?run_id=${mlflowRunId}`)).toEqual(before);
    const history = (await ask(
      `mlflow/metrics/get-history?run_id=${mlflowRunId}&metric_key=train/loss&max_results=5000`,
    )) as { metrics: unknown[] };
    expect(history.metrics).toHaveLength(2400);
  });
});

function uploads(folder: string): Uploads {
  const adapter = join(folder, 'adapter');
  mkdirSync(adapter);
  writeFileSync(join(adapter, 'adapter_model.safetensors'), Buffer.alloc(3_000_000));
  return { folders: [{ folder: adapter, as: 'adapter' }], files: [] };
}
