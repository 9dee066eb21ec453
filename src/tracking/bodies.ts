// What MLflow is told about a run, cut to the sizes that it takes. Pure.
// Limits of log-batch: https://mlflow.org/docs/latest/api_reference/rest-api.html#log-batch
import type { Metric, RunDataset } from '../ledger/metrics.js';
import type { Run } from '../ledger/runs.js';
import type { MlflowRunStatus } from './mlflow.js';

export type MlflowTag = { key: string; value: string };
export type MlflowBatch = {
  metrics?: { key: string; value: number; timestamp: number; step: number }[];
  params?: { key: string; value: string }[];
  tags?: MlflowTag[];
};
export type MlflowDataset = {
  dataset: { name: string; digest: string; source_type: string; source: string; profile: string };
  tags: MlflowTag[];
};

const metricsPerBatch = 1000;
const paramsPerBatch = 100;
const longestValue = 6000;
const longestDigest = 36;

export const statusOfState: Record<Run['state'], MlflowRunStatus> = {
  running: 'RUNNING',
  finished: 'FINISHED',
  failed: 'FAILED',
  stopped: 'KILLED',
  lost: 'KILLED',
};

/** Where the run comes from, so that a row in MLflow leads back to the ledger. */
export function lineageTags(run: Run): MlflowTag[] {
  return tags({
    'mlflow.runName': run.id,
    'mlflow.source.name': 'mlx train',
    'mlx.run_id': run.id,
    'mlx.recipe': run.recipe,
    'mlx.base_model': run.baseModel,
    'mlx.base_commit': run.baseCommit,
    'mlx.engine': run.engine,
    'mlx.runtime': run.runtime,
  });
}

export function endTags(run: Run): MlflowTag[] {
  return tags({
    'mlx.state': run.state,
    'mlx.seal': run.seal,
    'mlx.device': run.device,
    'mlx.adapter_sha256': run.adapterSha256,
    'mlx.error_code': run.errorCode,
    'mlx.error_message': run.errorMessage,
  });
}

export function paramBatches(params: Record<string, string>): MlflowBatch[] {
  const entries = Object.entries(params).map(([key, value]) => ({ key, value: value.slice(0, longestValue) }));
  return chunks(entries, paramsPerBatch).map((chunk) => ({ params: chunk }));
}

export function metricBatches(metrics: readonly Metric[]): MlflowBatch[] {
  const entries = metrics.map(({ key, value, step, recordedAtMs }) => ({ key, value, timestamp: recordedAtMs, step }));
  return chunks(entries, metricsPerBatch).map((chunk) => ({ metrics: chunk }));
}

export function datasetInputs(run: Run, datasets: readonly RunDataset[]): MlflowDataset[] {
  return datasets.map(({ split, sources, rows, sha256 }) => ({
    dataset: {
      name: `${run.recipe}/${split}`,
      digest: sha256.slice(0, longestDigest),
      source_type: 'local',
      source: JSON.stringify({ uri: sources }),
      profile: JSON.stringify({ num_rows: rows, sha256 }),
    },
    tags: tags({ 'mlflow.data.context': split }),
  }));
}

function tags(values: Record<string, string | null>): MlflowTag[] {
  return Object.entries(values).flatMap(([key, value]) =>
    value === null ? [] : [{ key, value: value.slice(0, longestValue) }],
  );
}

function chunks<Item>(items: readonly Item[], size: number): Item[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, index) =>
    items.slice(index * size, (index + 1) * size),
  );
}
