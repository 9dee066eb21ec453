// `mlx replay`: what drifted since a lock was written; then, when nothing decisive did, the same run again, and how far it is away.
// Touches what a training touches, but for the lock, which a replay never writes.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import type { Paths } from '../config/paths.js';
import type { RowChange } from '../dataset/row-hashes.js';
import { exitStatus, MlxError } from '../errors.js';
import type { Run } from '../ledger/runs.js';
import type { DriftRow } from '../recipe/drift.js';
import { recipeReference } from '../recipe/find.js';
import { parseLock, type Lock } from '../recipe/lock.js';
import { findContent } from '../store/content.js';
import { runFolder, type RunFolder } from '../training/run-folder.js';
import { train, type TrainEdges } from '../training/train.js';
import { preflight, type Preflight, type PreflightEdges } from './preflight.js';
import { describeProblems } from './problems.js';
import type { LockSource } from './source.js';
import { compareWeights, joinDistances, type TensorDistance } from './tensors.js';
import { compareResults, type Comparison, type Verdict } from './verdict.js';

export type ReplayReport = {
  recipe: string;
  /** What `mlx train` takes for it. */
  recipeReference: string;
  lock: string;
  /** The run that wrote the lock. */
  /** null: the lock cannot be read. */
  replayOf: string | null;
  /** The run that repeats it; null when none was begun. */
  run: string | null;
  /** `no_drift` and `drift`: nothing was trained. `not_finished`: the replay's run failed or was stopped.
   * `refused`: the lock or its recipe cannot be read. */
  verdict: Verdict | 'no_drift' | 'drift' | 'not_finished' | 'refused';
  /** What the run of the lock promised of its bytes. */
  determinism: Pick<Lock['determinism'], 'class' | 'reason'> | null;
  fields: DriftRow[];
  /** Rows that changed, the first of them. */
  rows: RowChange[];
  changedRows: number;
  restored: string[];
  notes: string[];
  comparison: Comparison | null;
  error: { code: string; message: string; hint: string | null } | null;
};

export type ReplayWish = { allowed: readonly string[]; tolerance: number };

const shownRows = 200;

/** Looks only: fetches, builds and trains nothing. */
export async function checkLock(
  edges: PreflightEdges,
  source: LockSource,
  { allowed }: Pick<ReplayWish, 'allowed'>,
): Promise<ReplayReport> {
  const found = await preflight(edges, source, { allowed, bringBack: false });
  return describe(edges.paths, source, found, found.passed ? 'no_drift' : 'drift');
}

/** @param onPreflight told before any compute is spent */
export async function replay(
  edges: TrainEdges,
  source: LockSource,
  wish: ReplayWish,
  onPreflight: (report: ReplayReport) => void,
): Promise<ReplayReport> {
  const found = await preflight(edges, source, { allowed: wish.allowed, bringBack: true });
  const before = describe(edges.paths, source, found, found.passed ? 'no_drift' : 'drift');
  onPreflight(before);
  if (!found.passed) return before;
  const run = await train(edges, {
    recipe: undefined,
    overrides: [],
    name: replayName(source.lock),
    replay: found.request,
  });
  if (run.state !== 'finished') return { ...before, run: run.id, verdict: 'not_finished', error: errorOf(run) };
  const comparison = await compare(edges, source.lock, run, wish.tolerance);
  return { ...before, run: run.id, verdict: comparison.verdict, comparison };
}

/** Run ids begin with it; a container's name has no room for a long one. */
function replayName({ recipe }: Lock): string {
  return `${recipe.name.slice(0, 34)}-replay`;
}

async function compare({ paths }: TrainEdges, { results }: Lock, run: Run, tolerance: number): Promise<Comparison> {
  const folder = runFolder(paths.runs, run.id);
  const replayed = parseLock(readFileSync(folder.lock, 'utf8'), folder.lock).results;
  const isEqual = results.adapter_sha256 === replayed.adapter_sha256;
  const tensors = isEqual ? null : await distance(paths.store, results.weights, weightsPlace(run, folder));
  return compareResults(results, replayed, tensors, tolerance);
}

/** null when the weights of the lock are not in the store: on another machine, or after `mlx gc`. */
async function distance(store: string, locked: Record<string, string>, place: string): Promise<TensorDistance | null> {
  const distances: TensorDistance[] = [];
  for (const [name, sha256] of Object.entries(locked)) {
    const kept = await findContent(store, sha256);
    if (kept === undefined) return null;
    distances.push(await compareWeights(kept, join(place, name)));
  }
  return joinDistances(distances);
}

function weightsPlace(run: Run, folder: RunFolder): string {
  return run.method === 'full' ? folder.model : folder.adapter;
}

function describe(
  { project, recipes }: Paths,
  { lock, shown, rows }: LockSource,
  found: Preflight,
  verdict: ReplayReport['verdict'],
): ReplayReport {
  return {
    recipe: lock.recipe.name,
    recipeReference: recipeReference({ project, recipes }, found.request.recipe),
    lock: shown,
    replayOf: lock.results.run,
    run: null,
    verdict,
    determinism: { class: lock.determinism.class, reason: lock.determinism.reason },
    fields: found.fields,
    rows: found.rows.slice(0, shownRows),
    changedRows: found.rows.length,
    restored: found.restored,
    notes: rows === undefined ? ['rows file missing: changed rows cannot be named'] : [],
    comparison: null,
    error: null,
  };
}

/** Of a lock that nothing can be said about but why. */
export function refusedReport(lock: string, error: MlxError): ReplayReport {
  const { code, message, problems, hint = null } = error;
  const described = problems.length === 0 ? message : `${message} ${describeProblems(problems)}`;
  return {
    recipe: lock,
    recipeReference: lock,
    lock,
    replayOf: null,
    run: null,
    verdict: 'refused',
    determinism: null,
    fields: [],
    rows: [],
    changedRows: 0,
    restored: [],
    notes: [],
    comparison: null,
    error: { code, message: described, hint },
  };
}

function errorOf({ errorCode, errorMessage, errorHint }: Run): ReplayReport['error'] {
  return { code: errorCode ?? 'INTERNAL', message: errorMessage ?? '', hint: errorHint };
}

/** The exit status that a report stands for. */
export function replayStatus({ verdict, error }: ReplayReport): number {
  if (verdict === 'refused') return exitStatus.drift;
  if (error !== null) return new MlxError(error.code, '').exitStatus;
  return verdict === 'drift' || verdict === 'different' ? exitStatus.drift : exitStatus.ok;
}
