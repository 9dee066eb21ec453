// What stands between a lock and the same run today, found before any compute is spent. For a check nothing is fetched or built;
// for a replay what is missing is brought back first: the base model by its commit, the rows from the content store.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { prepareDataset, type PreparedDataset } from '../dataset/prepare.js';
import { changedRows, reorderedRows, type RowChange, type SplitRows } from '../dataset/row-hashes.js';
import type { Engine } from '../engine/engine.js';
import { MlxError } from '../errors.js';
import { compareLock, decisiveDrift, type DriftRow } from '../recipe/drift.js';
import type { LoadedRecipe } from '../recipe/load.js';
import type { Lock } from '../recipe/lock.js';
import type { Recipe } from '../recipe/schema.js';
import { demoRepository } from '../training/demo-base.js';
import { modelFolderName, resolve } from '../training/resolution.js';
import type { ReplayRequest, TrainEdges } from '../training/train.js';
import { lockedBase, type TodaysBase } from './base.js';
import { baseProblem, rowProblems, withRowProblems, type RowProblems } from './problems.js';
import { restoreRows } from './restore.js';
import { lockedRuntime, type TodaysRuntime } from './runtime.js';
import type { LockSource } from './source.js';

export type PreflightEdges = Pick<TrainEdges, 'paths' | 'config' | 'environment' | 'engine' | 'signal' | 'onProgress'>;

export type Preflight = {
  fields: DriftRow[];
  /** Rows that are not those of the lock. */
  rows: RowChange[];
  /** What was brought back, in words. */
  restored: string[];
  /** Nothing decisive drifted. */
  passed: boolean;
  request: ReplayRequest;
};

export type PreflightWish = {
  /** Fields, or beginnings of fields, whose drift is accepted. */
  allowed: readonly string[];
  /** true: bring back what is missing; false: look only. */
  bringBack: boolean;
};

/** @throws MlxError of the recipe; of a fetch or a build; ROWS_MISSING when a replay finds its rows nowhere */
export async function preflight(edges: PreflightEdges, source: LockSource, wish: PreflightWish): Promise<Preflight> {
  const { lock } = source;
  const loaded = await source.recipe();
  const today = await todaysRows(edges, loaded);
  const engine = await openEngine(edges, wish.bringBack);
  const runtime = await lockedRuntime(edges, engine, lock, wish.bringBack);
  const base = await lockedBase(edges, engine, loaded.recipe, lock, wish.bringBack);
  const { resolved } = await resolve({
    paths: edges.paths,
    environment: edges.environment,
    gpuAllowed: edges.config.gpu !== 'off',
    ...loaded,
    overrides: lock.recipe.overrides,
    baseModel: base,
    dataset: 'dataset' in today ? today.dataset : noRows,
    runtime: runtime.facts,
  });
  const comparable = 'dataset' in today ? resolved : { ...resolved, dataset: lock.dataset };
  const compared = compareLock(withModelFolder(edges, lock, loaded.recipe), comparable, wish.allowed);
  const withRows = 'problems' in today ? withRowProblems(compared, today.problems) : compared;
  const fields = base.problem === undefined ? withRows : baseProblem(withRows, base.problem);
  return conclude(edges, source, wish, { loaded, today, base, runtime, fields });
}

type TodaysRows = { dataset: PreparedDataset } | { problems: RowProblems };

type Findings = {
  loaded: LoadedRecipe;
  today: TodaysRows;
  base: TodaysBase;
  runtime: TodaysRuntime;
  fields: DriftRow[];
};

async function conclude(
  { paths }: PreflightEdges,
  { lock, rows: lockedRows }: LockSource,
  { bringBack }: PreflightWish,
  { loaded, today, base, runtime, fields }: Findings,
): Promise<Preflight> {
  const rowsDrifted = decisiveDrift(fields).some(({ field }) => field.startsWith('dataset.'));
  const request: ReplayRequest = {
    ...loaded,
    of: lock.results.run,
    overrides: lock.recipe.overrides,
    baseCommit: lock.base_model.commit ?? undefined,
    runtimeId: runtime.pinnedId,
  };
  const restored = [
    ...(base.fetched ? [broughtBack(lock.base_model.repository)] : []),
    ...(runtime.pinnedId === undefined ? [] : [`runtime ${runtime.pinnedId} of the lock, which is still here`]),
  ];
  const rows =
    rowsDrifted && lockedRows !== undefined && 'dataset' in today ? namedRows(lockedRows, today.dataset.rows) : [];
  if (!rowsDrifted || !bringBack)
    return { fields, rows, restored, passed: decisiveDrift(fields).length === 0, request };
  const kept = await restoreRows(paths.store, lock, lockedRows);
  if (kept === undefined && 'problems' in today)
    throw rowsMissing(Object.values(today.problems).join('; '), lock.dataset.train.sources);
  if (kept === undefined) return { fields, rows, restored, passed: false, request };
  const accepted = fields.map((row) => (row.field.startsWith('dataset.') ? { ...row, allowed: true } : row));
  return {
    fields: accepted,
    rows,
    restored: [...restored, 'rows of the lock taken from .mlx/store'],
    passed: decisiveDrift(accepted).length === 0,
    request: { ...request, rows: kept },
  };
}

function namedRows(locked: SplitRows, today: SplitRows): RowChange[] {
  return [...changedRows(locked, today), ...reorderedRows(locked, today)];
}

/** The demo's model comes from nowhere: mlx makes it. */
function broughtBack(repository: string): string {
  return repository === demoRepository
    ? `base model ${repository} made again, as it was for the lock`
    : `base model ${repository} fetched at the commit of the lock`;
}

/** In a folder that is gone afterwards: nothing of it is the run's. */
async function todaysRows({ paths }: PreflightEdges, { recipe }: LoadedRecipe): Promise<TodaysRows> {
  const folder = mkdtempSync(join(tmpdir(), 'mlx-preflight-'));
  try {
    return { dataset: await prepareDataset(recipe, paths.project, folder) };
  } catch (error) {
    if (!(error instanceof MlxError)) throw error;
    return { problems: rowProblems(recipe.dataset, error) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const noRows: PreparedDataset = { splits: [], rows: {}, warnings: [] };

/** An older lock has the path as the recipe gave it. */
function withModelFolder({ paths }: PreflightEdges, lock: Lock, recipe: Recipe): Lock {
  if (!('path' in recipe.base_model)) return lock;
  const { base_model: base } = lock;
  return { ...lock, base_model: { ...base, repository: modelFolderName(paths, base.repository) } };
}

/** A check needs no engine: what only the engine knows is then unknown. */
async function openEngine(edges: PreflightEdges, needed: boolean): Promise<Engine | undefined> {
  try {
    return await edges.engine();
  } catch (error) {
    if (needed || !(error instanceof MlxError)) throw error;
    return undefined;
  }
}

function rowsMissing(problem: string, sources: string): MlxError {
  return new MlxError(
    'ROWS_MISSING',
    `The rows of the lock are nowhere: ${problem}, and .mlx/store does not hold them.`,
    {
      hint: `Bring back the files (${sources}) as they were, for example: git checkout COMMIT -- ${sources.split(',')[0] ?? ''}`,
    },
  );
}
