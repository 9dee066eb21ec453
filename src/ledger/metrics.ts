// What a run measured: every step in `metrics`, the newest value of each key in `latest_metrics`, so that
// listing runs never touches the history. Params and data sets of a run live here too.
import { createHash } from 'node:crypto';

import { write, type Ledger } from './open.js';

export type Metric = { key: string; step: number; value: number; recordedAtMs: number };

export type RunDataset = { split: string; sources: string; rows: number; sha256: string };

/** Writing the same (key, step) again replaces it: a resumed run repeats the steps after its checkpoint. */
export function recordMetrics(ledger: Ledger, runId: string, metrics: readonly Metric[]): void {
  write(ledger, () => {
    const insert = ledger.database.prepare(
      'INSERT OR REPLACE INTO metrics (run_id, key, step, value, recorded_at_ms) VALUES (?, ?, ?, ?, ?)',
    );
    const latest = ledger.database.prepare(
      `INSERT INTO latest_metrics (run_id, key, step, value) VALUES (?, ?, ?, ?)
       ON CONFLICT (run_id, key) DO UPDATE SET step = excluded.step, value = excluded.value WHERE excluded.step >= latest_metrics.step`,
    );
    for (const metric of metrics) {
      insert.run(runId, metric.key, metric.step, metric.value, metric.recordedAtMs);
      latest.run(runId, metric.key, metric.step, metric.value);
    }
  });
}

export function recordParams(ledger: Ledger, runId: string, params: Record<string, string>): void {
  write(ledger, () => {
    const insert = ledger.database.prepare('INSERT OR REPLACE INTO params (run_id, key, value) VALUES (?, ?, ?)');
    for (const [key, value] of Object.entries(params)) insert.run(runId, key, value);
  });
}

export function recordDatasets(ledger: Ledger, runId: string, datasets: readonly RunDataset[]): void {
  write(ledger, () => {
    const insert = ledger.database.prepare(
      'INSERT OR REPLACE INTO run_datasets (run_id, split, sources, rows, sha256) VALUES (?, ?, ?, ?, ?)',
    );
    for (const dataset of datasets) insert.run(runId, dataset.split, dataset.sources, dataset.rows, dataset.sha256);
  });
}

export function metricHistory(ledger: Ledger, runId: string, key: string): Metric[] {
  return ledger.database
    .prepare(
      'SELECT key, step, value, recorded_at_ms AS recordedAtMs FROM metrics WHERE run_id = ? AND key = ? ORDER BY step',
    )
    .all(runId, key) as Metric[];
}

/** Every step of every key, in the order in which they were measured. */
export function allMetrics(ledger: Ledger, runId: string): Metric[] {
  return ledger.database
    .prepare(
      'SELECT key, step, value, recorded_at_ms AS recordedAtMs FROM metrics WHERE run_id = ? ORDER BY recorded_at_ms, step, key',
    )
    .all(runId) as Metric[];
}

export function latestMetrics(ledger: Ledger, runId: string): Record<string, number> {
  const rows = ledger.database
    .prepare('SELECT key, value FROM latest_metrics WHERE run_id = ? ORDER BY key')
    .raw()
    .all(runId) as [string, number][];
  return Object.fromEntries(rows);
}

export function runParams(ledger: Ledger, runId: string): Record<string, string> {
  const rows = ledger.database
    .prepare('SELECT key, value FROM params WHERE run_id = ? ORDER BY key')
    .raw()
    .all(runId) as [string, string][];
  return Object.fromEntries(rows);
}

export function runDatasets(ledger: Ledger, runId: string): RunDataset[] {
  return ledger.database
    .prepare('SELECT split, sources, rows, sha256 FROM run_datasets WHERE run_id = ? ORDER BY split')
    .all(runId) as RunDataset[];
}

/** Every key that some run has, for a person who looks for one. */
export function metricKeys(ledger: Ledger): string[] {
  return ledger.database.prepare('SELECT DISTINCT key FROM latest_metrics ORDER BY key').pluck().all() as string[];
}

/** Of what a version is judged by: the scores of its run on held-out rows, and which rows they and the training were. */
export function scoresHash(ledger: Ledger, runId: string): string {
  const scores = Object.entries(latestMetrics(ledger, runId)).filter(([key]) => key.startsWith('held_out/'));
  const rows = runDatasets(ledger, runId).map(({ split, rows: count, sha256 }) => [split, count, sha256]);
  return createHash('sha256')
    .update(JSON.stringify([scores, rows]))
    .digest('hex');
}
