// What differs between runs. Only that: what is equal explains nothing.
import { latestMetrics, runDatasets, runParams } from '../ledger/metrics.js';
import type { Ledger } from '../ledger/open.js';
import type { Run } from '../ledger/runs.js';
import { explainDifference, type Explanation } from './explanation.js';

/** `values` in the order of the runs; null where a run has none. */
export type Difference<Value> = { key: string; values: (Value | null)[] };

export type RunComparison = {
  runs: string[];
  params: Difference<string>[];
  data: Difference<string>[];
  metrics: Difference<number>[];
  /** Every run against the first, in words. */
  explanations: Explanation[];
};

/** The value of one step, or mlx's own time: side by side they say nothing about the runs. */
const saysNothing = /^(train\/(loss|learning_rate|grad_norm|tokens_per_second|memory_gib)|wrapper_ms)$/;

export function compareRuns(ledger: Ledger, folder: string, runs: readonly Run[]): RunComparison {
  const [first, ...others] = runs;
  return {
    runs: runs.map(({ id }) => id),
    params: differences(runs.map((run) => ({ ...facts(run), ...runParams(ledger, run.id) }))),
    data: differences(runs.map((run) => dataOf(ledger, run))),
    metrics: differences(runs.map((run) => latestMetrics(ledger, run.id))).filter(({ key }) => !saysNothing.test(key)),
    explanations: first === undefined ? [] : others.map((run) => explainDifference(folder, first, run)),
  };
}

function facts({ recipe, engine, device, seal, state }: Run): Record<string, string> {
  return { recipe, engine, state, ...(device === null ? {} : { device }), ...(seal === null ? {} : { seal }) };
}

function dataOf(ledger: Ledger, run: Run): Record<string, string> {
  const rows = runDatasets(ledger, run.id).flatMap(({ split, rows: count, sha256, sources }) => [
    [`${split}.rows`, String(count)] as const,
    [`${split}.sha256`, sha256.slice(0, 12)] as const,
    [`${split}.from`, sources] as const,
  ]);
  return Object.fromEntries(rows);
}

function differences<Value>(sides: readonly Record<string, Value>[]): Difference<Value>[] {
  const keys = [...new Set(sides.flatMap((side) => Object.keys(side)))].sort();
  return keys
    .map((key) => ({ key, values: sides.map((side) => side[key] ?? null) }))
    .filter(({ values }) => new Set(values).size > 1);
}
