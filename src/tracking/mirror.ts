// Mirrors one run to MLflow while it trains. In the background: nothing here holds up or fails a run. What did not arrive is
// in the ledger, and the run stays marked as not synced there.
import { errorMessage } from '../errors.js';
import type { Metric } from '../ledger/metrics.js';
import type { Ledger } from '../ledger/open.js';
import { updateRun, type Run } from '../ledger/runs.js';
import { mlflowAddress, type MlflowAddress, type MlflowSettings } from './address.js';
import { lineageTags } from './bodies.js';
import { describeRun, endRun, sendMetrics, type Uploads } from './delivery.js';
import { openMlflow, type Mlflow, type MlflowRun } from './mlflow.js';

/** How long a command may wait for MLflow once its run has ended: for uploads, and for a server that has not said a word yet. */
const uploadsWithinMs = 60_000;
const firstAnswerWithinMs = 3_000;

export type MirrorEnd = {
  synced: boolean;
  /** Worth telling a person: MLflow answered, or was asked for by name, and did not get everything. */
  problem: string | undefined;
};

export type Mirror = {
  metrics: (metrics: Metric[]) => void;
  /** Waits for what is still on its way, but not for ever. */
  end: (run: Run, uploads: Uploads) => Promise<MirrorEnd>;
};

export type MirrorRequest = { ledger: Ledger; run: Run; settings: MlflowSettings; environment: NodeJS.ProcessEnv };

export function startMirror({ ledger, run, settings, environment }: MirrorRequest): Mirror {
  const address = mlflowAddress(settings, environment);
  if (!address) return silentMirror;
  const patience = new AbortController();
  const mlflow = openMlflow(address, patience.signal);
  const waiting: Metric[] = [];
  let mirrored: MlflowRun | undefined;
  const queue = openQueue();

  void queue.add(async () => {
    mirrored = await openRun(mlflow, run, address.experiment);
    updateRun(ledger, run.id, { mlflowRunId: mirrored.runId, mlflowSynced: 0 });
    await describeRun(mlflow, ledger, mirrored, run);
  });

  return {
    metrics: (metrics) => {
      waiting.push(...metrics);
      // Whatever came in meanwhile goes in one request; the later turns find nothing left.
      void queue.add(async () => {
        if (mirrored) await sendMetrics(mlflow, mirrored, waiting.splice(0));
      });
    },
    end: async (ended, uploads) => {
      const timer = setTimeout(() => patience.abort(), mirrored ? uploadsWithinMs : firstAnswerWithinMs);
      await queue.add(async () => {
        if (mirrored) await endRun(mlflow, ledger, mirrored, ended, uploads);
      });
      clearTimeout(timer);
      const failure = queue.failure();
      return { synced: failure === undefined, problem: problemOf(failure, address, mirrored !== undefined) };
    },
  };
}

type Queue = { add: (work: () => Promise<void>) => Promise<void>; failure: () => unknown };

/** One after the other, so that MLflow sees what happened in the order in which it happened; nothing more after the first failure. */
function openQueue(): Queue {
  let last: Promise<void> = Promise.resolve();
  let failure: unknown;
  return {
    add: (work) => {
      last = last.then(async () => {
        if (failure !== undefined) return;
        await work().catch((error: unknown) => {
          failure = error;
        });
      });
      return last;
    },
    failure: () => failure,
  };
}

const silentMirror: Mirror = {
  metrics: () => undefined,
  end: () => Promise.resolve({ synced: false, problem: undefined }),
};

/** A resumed run goes on in the MLflow run that it began. */
async function openRun(mlflow: Mlflow, run: Run, experiment: string): Promise<MlflowRun> {
  const known = run.mlflowRunId === null ? undefined : await mlflow.findRun(run.mlflowRunId);
  if (!known) return mlflow.createRun(await mlflow.experimentId(experiment), run.id, run.startedAtMs, lineageTags(run));
  await mlflow.updateRun(known.runId, 'RUNNING', null);
  return known;
}

function problemOf(failure: unknown, address: MlflowAddress, answered: boolean): string | undefined {
  // Our own MLflow that is simply not up is no problem: nobody asked for it.
  if (failure === undefined || !(answered || address.chosen)) return undefined;
  // fetch says only `fetch failed`; the cause has the reason.
  const cause = failure instanceof Error && failure.cause instanceof Error ? failure.cause.message : '';
  return `MLflow at ${address.uri} did not get everything: ${errorMessage(failure)}${cause === '' ? '' : ` (${cause})`}`;
}
