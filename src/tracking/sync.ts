// Sends ended runs to MLflow that it does not have whole: after an outage, or because there was no MLflow then. Repeating it
// changes nothing: a run is found again by its id, params and metrics of the same key, step and time are one entry there.
import { errorMessage, MlxError } from '../errors.js';
import { allMetrics } from '../ledger/metrics.js';
import type { Ledger } from '../ledger/open.js';
import { updateRun, type Run } from '../ledger/runs.js';
import { mlflowAddress, type MlflowAddress, type MlflowSettings } from './address.js';
import { lineageTags } from './bodies.js';
import { describeRun, endRun, sendMetrics, type Uploads } from './delivery.js';
import { openMlflow, type Mlflow, type MlflowRun } from './mlflow.js';

export type SyncedRun = { run: string; mlflowRunId: string; created: boolean };

export type SyncEdges = {
  ledger: Ledger;
  settings: MlflowSettings;
  environment: NodeJS.ProcessEnv;
  signal: AbortSignal;
  uploadsOf: (run: Run) => Uploads;
  onRun: (run: SyncedRun) => void;
};

/** Oldest first. @throws MlxError MLFLOW_OFF, MLFLOW_UNREACHABLE, MLFLOW_REFUSED; runs that arrived before stay synced */
export async function syncRuns(edges: SyncEdges, runs: readonly Run[]): Promise<SyncedRun[]> {
  const address = mlflowAddress(edges.settings, edges.environment);
  if (address === undefined) {
    throw new MlxError('MLFLOW_OFF', 'Runs of this project are not mirrored to MLflow.', {
      hint: 'Switch it on in mlx.yaml (mlflow: { enabled: true }), or name a server: MLFLOW_TRACKING_URI=http://...',
    });
  }
  const mlflow = openMlflow(address, edges.signal);
  const synced: SyncedRun[] = [];
  try {
    const experiment = await mlflow.experimentId(address.experiment);
    for (const run of runs) {
      const sent = await syncRun(edges, mlflow, experiment, run);
      synced.push(sent);
      edges.onRun(sent);
    }
  } catch (error) {
    throw wrapped(error, address);
  }
  return synced;
}

async function syncRun(
  { ledger, uploadsOf }: SyncEdges,
  mlflow: Mlflow,
  experiment: string,
  run: Run,
): Promise<SyncedRun> {
  const known = await knownRun(mlflow, experiment, run);
  const target = known ?? (await mlflow.createRun(experiment, run.id, run.startedAtMs, lineageTags(run)));
  // At once: should the rest fail, the next sync goes on in this one.
  updateRun(ledger, run.id, { mlflowRunId: target.runId, mlflowSynced: 0 });
  await describeRun(mlflow, ledger, target, run);
  await sendMetrics(mlflow, target, allMetrics(ledger, run.id));
  await endRun(mlflow, ledger, target, run, uploadsOf(run));
  updateRun(ledger, run.id, { mlflowSynced: 1 });
  return { run: run.id, mlflowRunId: target.runId, created: known === undefined };
}

/** By the id that MLflow gave it; else by ours, for a run that was created when the answer got lost. */
async function knownRun(mlflow: Mlflow, experiment: string, run: Run): Promise<MlflowRun | undefined> {
  const named = run.mlflowRunId === null ? undefined : await mlflow.findRun(run.mlflowRunId);
  return named ?? mlflow.findTagged(experiment, { key: 'mlx.run_id', value: run.id });
}

function wrapped(error: unknown, { uri }: MlflowAddress): unknown {
  // fetch throws a TypeError that says only `fetch failed`; its cause has the reason. A time limit is a DOMException.
  if (!(error instanceof TypeError || error instanceof DOMException)) return error;
  const cause = error instanceof Error && error.cause instanceof Error ? ` (${error.cause.message})` : '';
  return new MlxError('MLFLOW_UNREACHABLE', `MLflow at ${uri} does not answer: ${errorMessage(error)}${cause}.`, {
    cause: error,
    hint: 'Start it (mlx up), then again: mlx runs sync. What arrived is not sent twice.',
  });
}
