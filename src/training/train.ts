// One run, from a recipe to its ended row in the ledger.
// Touches: .mlx/runs/ID, the runs, params, metrics and run_datasets of the ledger, one sealed job, MLflow when it answers.

import type { Paths } from '../config/paths.js';
import type { Config } from '../config/schema.js';
import type { PreparedDataset } from '../dataset/prepare.js';
import type { Engine, EngineKind, JobExit, OnProgress } from '../engine/engine.js';
import { errorCode, errorMessage, MlxError } from '../errors.js';
import { latestMetrics, recordMetrics, type Metric } from '../ledger/metrics.js';
import type { Ledger } from '../ledger/open.js';
import { findRun, updateRun, type Run, type RunChange } from '../ledger/runs.js';
import { recipeReference } from '../recipe/find.js';
import type { LoadedRecipe } from '../recipe/load.js';
import { startMirror, type Mirror } from '../tracking/mirror.js';
import { hashTrainedWeights, type TrainedWeights } from './adapter.js';
import { decideEnding, type Ending, type JobEnd } from './ending.js';
import type { TrainerEvent } from './events.js';
import { keepRun, lockNote } from './keep.js';
import { prepareRun, type PreparedRun } from './prepare.js';
import { reconcileRuns } from './reconcile.js';
import { replayReference } from './replay-reference.js';
import { openRecorder, type Recorder } from './recorder.js';
import { adoptRun, resumeRun } from './resume.js';
import { hasCheckpoint, type RunFolder } from './run-folder.js';
import { trainerJob } from './specification.js';
import { runUploads } from './uploads.js';

export type TrainEdges = {
  paths: Paths;
  config: Pick<Config, 'gpu' | 'mlflow'>;
  environment: NodeJS.ProcessEnv;
  ledger: Ledger;
  /** Without a kind: the configured one. A resumed run goes back to the engine that it started on. */
  engine: (kind?: EngineKind) => Promise<Engine>;
  now: () => Date;
  signal: AbortSignal;
  /** Downloads and installs before the run. */
  onProgress: OnProgress;
  /** The run is in the ledger. */
  onBegin: (runId: string) => void;
  onEvent: (event: TrainerEvent) => void;
  note: (line: string) => void;
};

export type TrainRequest = {
  /** File or name; undefined: the only recipe of the project. */
  recipe: string | undefined;
  /** `trainer.learning_rate=0.001` */
  overrides: readonly string[];
  /** The run id begins with it; default: the recipe's name. */
  name?: string | undefined;
  /** Go on with this run instead; the recipe is the stored one. */
  resume?: string | undefined;
  /** Run what another process prepared for this one. */
  adopt?: string | undefined;
  /** false: the lock beside the recipe stays as it is. */
  lock?: boolean | undefined;
  /** Do again what a lock says, instead of what the recipe says. */
  replay?: ReplayRequest | undefined;
};

export type ReplayRequest = LoadedRecipe & {
  /** The run that the lock was written by. */
  of: string;
  overrides: readonly string[];
  /** The commit of the lock; undefined for a folder of the person's own. */
  baseCommit: string | undefined;
  /** The runtime of the lock, when it is there and not today's. */
  runtimeId: string | undefined;
  /** Rows from the content store, instead of those of the data files. */
  rows?: { dataset: PreparedDataset; files: Record<string, string> } | undefined;
};

/** @returns the ended run: finished, stopped or failed. Throws only when no run came to be. */
export async function train(edges: TrainEdges, request: TrainRequest): Promise<Run> {
  const begun = performance.now();
  return executeRun(edges, await beginRun(edges, request), begun);
}

/** The run is in the ledger afterwards and belongs to this process. */
export async function beginRun(edges: TrainEdges, request: TrainRequest): Promise<PreparedRun> {
  if (request.adopt !== undefined) return adoptRun(edges, request.adopt);
  await reconcileRuns(edges);
  return request.resume === undefined ? prepareRun(edges, request) : resumeRun(edges, request.resume);
}

async function executeRun(edges: TrainEdges, prepared: PreparedRun, begun: number): Promise<Run> {
  const { ledger } = edges;
  const { run, folder, recipe } = prepared;
  edges.onBegin(run.id);
  const inLedger = performance.now();
  const mirror = startMirror({ ledger, run, settings: edges.config.mlflow, environment: edges.environment });
  const stop = new AbortController();
  const recorder = openRecorder({
    ...edges,
    runId: run.id,
    folder,
    onMetrics: mirror.metrics,
    onFailure: () => stop.abort(),
  });
  const signal = AbortSignal.any([edges.signal, stop.signal]);
  signal.addEventListener('abort', recorder.flush);
  const job = await runTrainer(edges, prepared, recorder, signal);
  recorder.close();

  const decided = decideEnding({
    runId: run.id,
    recipe,
    ...references(edges, prepared),
    lastWord: recorder.lastWord(),
    exit: recorder.failure() ?? job.exit,
    interrupted: edges.signal.aborted,
    hasCheckpoint: hasCheckpoint(folder),
  });
  const { end, weights } = await withWeights(decided, prepared, recorder);
  mirror.metrics(
    recordEnd(edges, run, end, {
      durationMs: performance.now() - inLedger,
      wrapperMs: performance.now() - begun - prepared.fetchMs - job.durationMs,
    }),
  );
  const ended = findRun(ledger, run.id);
  if (weights !== undefined) await keep(edges, ended, folder, weights);
  await endMirror(edges, prepared, mirror);
  return findRun(ledger, run.id);
}

/** What a hint gives to type for this run. */
function references({ paths, ledger }: TrainEdges, { run, recipe }: PreparedRun): Pick<JobEnd, 'reference' | 'replay'> {
  return { reference: recipeReference(paths, recipe), replay: replayReference(ledger, run) };
}

type Durations = {
  /** Since the run was in the ledger. */
  durationMs: number;
  /** Since the command began, without the trainer, downloads and installs. */
  wrapperMs: number;
};

/** `duration_ms` adds up over stops and resumes; `wrapper_ms` is mlx's own part of this time. */
function recordEnd(edges: TrainEdges, run: Run, end: RunChange, { durationMs, wrapperMs }: Durations): Metric[] {
  const { ledger } = edges;
  const at = { step: 0, recordedAtMs: edges.now().getTime() };
  try {
    const before = latestMetrics(ledger, run.id)['duration_ms'] ?? 0;
    const metrics = [
      { ...at, key: 'duration_ms', value: before + durationMs },
      { ...at, key: 'wrapper_ms', value: wrapperMs },
    ];
    recordMetrics(ledger, run.id, metrics);
    updateRun(ledger, run.id, { ...end, owner: null, endedAtMs: at.recordedAtMs });
    return metrics;
  } catch (error) {
    if (!(error instanceof MlxError)) throw error;
    // The row stays `running`; the next command finds that its owner is gone.
    throw new MlxError(error.code, `How run ${run.id} ended could not be written down: ${error.message}`, {
      cause: error,
      hint: `Free some space (mlx doctor shows how much), then go on: mlx train --resume ${run.id}`,
    });
  }
}

async function runTrainer(
  edges: TrainEdges,
  { run, folder, recipe, baseModel, resume, runtimeId }: PreparedRun,
  recorder: Recorder,
  signal: AbortSignal,
): Promise<{ exit: JobExit | MlxError; durationMs: number }> {
  const job = trainerJob({
    runId: run.id,
    folder,
    baseModel: baseModel.folder,
    determinism: recipe.determinism,
    gpu: edges.config.gpu !== 'off',
    resume,
    runtimeId,
    environment: edges.environment,
  });
  const begun = performance.now();
  try {
    const engine = await edges.engine(run.engine);
    const exit = await engine.runJob(job, { onStdout: recorder.stdout, onStderr: recorder.stderr, signal });
    updateRun(edges.ledger, run.id, { seal: exit.seal });
    return { exit, durationMs: performance.now() - begun };
  } catch (error) {
    if (error instanceof MlxError) return { exit: error, durationMs: performance.now() - begun };
    throw error;
  }
}

/** A finished run has weights that are there and safe to load. */
async function withWeights(
  decided: Ending,
  { folder }: PreparedRun,
  recorder: Recorder,
): Promise<{ end: RunChange; weights: TrainedWeights | undefined }> {
  const result = recorder.lastWord();
  if (decided.state !== 'finished' || result?.event !== 'result') return { end: decided, weights: undefined };
  try {
    const weights = await hashTrainedWeights(folder, result.output);
    return { end: { ...decided, adapterSha256: weights.sha256 }, weights };
  } catch (error) {
    if (!(error instanceof MlxError)) throw error;
    const { code: errorCode, message: errorMessage, hint } = error;
    return { end: { state: 'failed', errorCode, errorMessage, errorHint: hint ?? null }, weights: undefined };
  }
}

/** The run is finished and in the ledger: a lock that cannot be written is told, and takes nothing away from it. */
async function keep(edges: TrainEdges, run: Run, folder: RunFolder, weights: TrainedWeights): Promise<void> {
  try {
    const kept = await keepRun(edges, run, folder, weights);
    if (kept === undefined) return;
    edges.note(lockNote(edges.paths, run, kept));
  } catch (error) {
    if (errorCode(error) === undefined) throw error;
    edges.note(`The lock of ${run.id} could not be written (${errorMessage(error)}). Its results are in the ledger.`);
  }
}

async function endMirror({ ledger, note }: TrainEdges, { run, folder }: PreparedRun, mirror: Mirror): Promise<void> {
  const ended = findRun(ledger, run.id);
  const { synced, problem } = await mirror.end(ended, runUploads(ended, folder));
  if (problem !== undefined) note(`${problem}. The ledger has it all; later: mlx runs sync`);
  updateRun(ledger, run.id, { mlflowSynced: synced ? 1 : 0 });
}
