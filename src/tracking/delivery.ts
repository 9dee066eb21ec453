// What MLflow gets of a run, piece by piece; the same whether the run trains now or ended long ago.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';

import { runDatasets, runParams, type Metric } from '../ledger/metrics.js';
import type { Ledger } from '../ledger/open.js';
import type { Run } from '../ledger/runs.js';
import { datasetInputs, endTags, metricBatches, paramBatches, statusOfState } from './bodies.js';
import type { Mlflow, MlflowRun } from './mlflow.js';

export type Uploads = { folders: { folder: string; as: string }[]; files: { file: string; as: string }[] };

export async function describeRun(mlflow: Mlflow, ledger: Ledger, { runId }: MlflowRun, run: Run): Promise<void> {
  for (const batch of paramBatches(runParams(ledger, run.id))) await mlflow.logBatch(runId, batch);
  await mlflow.logInputs(runId, datasetInputs(run, runDatasets(ledger, run.id)));
}

export async function sendMetrics(mlflow: Mlflow, { runId }: MlflowRun, metrics: Metric[]): Promise<void> {
  for (const batch of metricBatches(metrics)) await mlflow.logBatch(runId, batch);
}

export async function endRun(
  mlflow: Mlflow,
  ledger: Ledger,
  target: MlflowRun,
  ended: Run,
  uploads: Uploads,
): Promise<void> {
  // The trainer named versions and sizes after the run had begun; params that MLflow has already stay as they are.
  for (const batch of paramBatches(runParams(ledger, ended.id))) await mlflow.logBatch(target.runId, batch);
  await mlflow.logBatch(target.runId, { tags: endTags(ended) });
  // The state first: an upload that fails must not leave a run that seems to go on for ever.
  await mlflow.updateRun(target.runId, statusOfState[ended.state], ended.endedAtMs);
  for (const { path, file } of filesOf(uploads)) {
    if (await mlflow.uploadArtifact(target, path, file)) continue;
    await mlflow.setTag(target.runId, {
      key: 'mlx.artifacts',
      value: 'kept by mlx only: this MLflow does not take uploads',
    });
    return;
  }
}

function filesOf({ folders, files }: Uploads): { path: string; file: string }[] {
  const inFolders = folders.flatMap(({ folder, as }) =>
    readdirSync(folder).map((name) => ({ path: `${as}/${name}`, file: join(folder, name) })),
  );
  return [...files.map(({ file, as }) => ({ path: as, file })), ...inFolders];
}
