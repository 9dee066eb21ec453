// Which lock a name, a run or a file means, with the rows beside it and the recipe that it is held against. Reads files and the ledger.
import { existsSync, readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { basename, join, relative, resolve } from 'node:path';

import type { Paths } from '../config/paths.js';
import { parseRows, type SplitRows } from '../dataset/row-hashes.js';
import { errorCode, isMlxError, MlxError } from '../errors.js';
import type { Ledger } from '../ledger/open.js';
import { allRunIds, findRun, type Run } from '../ledger/runs.js';
import { findRecipeFile } from '../recipe/find.js';
import { loadRecipeWithOrigins, type LoadedRecipe } from '../recipe/load.js';
import { hashRowsFile, parseLock, rowsFileOf, type Lock } from '../recipe/lock.js';
import type { Recipe } from '../recipe/schema.js';
import { lockPlace } from '../training/resolution.js';
import { runFolder } from '../training/run-folder.js';

export type LockSource = {
  lock: Lock;
  /** As the person would write it. */
  shown: string;
  /** undefined when the file beside the lock is gone: then no row can be named. */
  rows: SplitRows | undefined;
  /** The recipe as it is today; of a run: as it was. */
  recipe: () => Promise<LoadedRecipe>;
};

type SourceEdges = { paths: Paths; ledger: () => Promise<Ledger> };

/** Every lock below recipes/, sorted: what `mlx replay --check` looks at when nothing is named. */
export async function projectLocks({ project, recipes }: Pick<Paths, 'project' | 'recipes'>): Promise<string[]> {
  try {
    const names = await readdir(recipes, { recursive: true });
    const locks = names.filter((name) => name.endsWith('.lock.yaml')).sort();
    return locks.map((name) => relative(project, join(recipes, name)));
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return [];
    throw error;
  }
}

/**
 * A whole run id comes before a recipe, and a recipe or a lock before the beginning of a run id.
 * @param reference a recipe by name or file, a lock file, or a run
 * @throws MlxError LOCK_MISSING, LOCK_EDITED, LOCK_NEWER, LOCK_INVALID, AMBIGUOUS, NOT_FOUND when it names nothing at all
 */
export async function findLock(edges: SourceEdges, reference: string): Promise<LockSource> {
  const { paths } = edges;
  const file = [resolve(reference), resolve(paths.project, reference)].find((path) => existsSync(path));
  if (file?.endsWith('.lock.yaml') === true) return lockOfFile(paths, file);
  if (await isWholeRunId(edges, reference)) return lockOfRun(paths, findRun(await edges.ledger(), reference));
  const recipe = await findRecipe(paths, reference);
  if (recipe !== undefined) return lockOfRecipe(paths, recipe, reference);
  const named = await lockByName(paths, reference);
  if (named !== undefined) return lockOfFile(paths, named);
  return lockOfRun(paths, await namedRun(edges, reference));
}

/** What cannot be a run id opens no ledger: a check in a fresh clone makes none. */
async function isWholeRunId({ ledger }: SourceEdges, reference: string): Promise<boolean> {
  return /-[0-9a-f]{6}$/.test(reference) && allRunIds(await ledger()).includes(reference);
}

/** `smoke` -> recipes/ci/smoke.lock.yaml, when there is no other of this name. */
async function lockByName(paths: Paths, reference: string): Promise<string | undefined> {
  const locks = await projectLocks(paths);
  const [found, ...others] = locks.filter((lock) => basename(lock, '.lock.yaml') === reference);
  if (found === undefined) return undefined;
  if (others.length === 0) return join(paths.project, found);
  throw new MlxError('AMBIGUOUS', `'${reference}' is the name of several locks: ${[found, ...others].join(', ')}.`, {
    hint: `Name one by its path, for example: mlx replay ${found}`,
  });
}

async function findRecipe(paths: Paths, reference: string): Promise<string | undefined> {
  try {
    return await findRecipeFile(paths, reference);
  } catch (error) {
    if (isMlxError(error, 'RECIPE_NOT_FOUND')) return undefined;
    throw error;
  }
}

async function namedRun({ ledger }: SourceEdges, reference: string): Promise<Run> {
  try {
    return findRun(await ledger(), reference);
  } catch (error) {
    if (!isMlxError(error, 'NOT_FOUND')) throw error;
    throw new MlxError('NOT_FOUND', `'${reference}' is neither a recipe, nor a lock file, nor a run of this project.`, {
      hint: `${error.hint ?? ''}. A lock is written by: mlx train RECIPE`,
    });
  }
}

function lockOfRecipe(paths: Paths, recipeFile: string, reference: string): LockSource {
  const file = lockPlace(paths, { file: recipeFile, name: reference });
  if (existsSync(file)) return lockOfFile(paths, file, recipeFile);
  throw new MlxError(
    'LOCK_MISSING',
    `${relative(paths.project, recipeFile)} has no lock: ${shownPath(paths, file)} is not there.`,
    {
      hint: `Write it by training once: mlx train ${reference} (then commit it)`,
    },
  );
}

function lockOfFile(paths: Paths, file: string, recipeFile?: string): LockSource {
  const shown = shownPath(paths, file);
  const lock = parseLock(readFileSync(file, 'utf8'), shown);
  const recipe = recipeFile ?? recipeOfLock(paths, file, lock);
  return {
    lock,
    shown,
    rows: readRows(paths, rowsFileOf(file), lock),
    recipe: () => loadLockedRecipe(paths, recipe, lock, shown),
  };
}

/** The one beside it, which may have got a new name together with its lock; else the one that wrote it. */
function recipeOfLock({ project }: Paths, lockFile: string, { recipe }: Lock): string {
  const beside = lockFile.replace(/\.lock\.yaml$/, '.yaml');
  return existsSync(beside) ? beside : resolve(project, recipe.file);
}

async function loadLockedRecipe(paths: Paths, recipe: string, lock: Lock, shown: string): Promise<LoadedRecipe> {
  if (existsSync(recipe)) return loadRecipeWithOrigins(paths, recipe, lock.recipe.overrides);
  throw new MlxError('RECIPE_NOT_FOUND', `${shown} has lost its recipe: ${shownPath(paths, recipe)} is not there.`, {
    hint: 'Delete or rename the lock too, with its .rows; or bring the recipe back.',
  });
}

/** The run's own recipe, whatever the YAML says today: that run again is what was asked for. */
function lockOfRun(paths: Paths, run: Run): LockSource {
  const folder = runFolder(paths.runs, run.id);
  const shown = shownPath(paths, folder.lock);
  if (!existsSync(folder.lock) || !existsSync(folder.recipe)) {
    throw new MlxError('LOCK_MISSING', `Run ${run.id} (${run.state}) has no lock: ${shown} is not there.`, {
      hint: 'Only a finished run has one, and only while its files are kept. See the runs: mlx runs ls --state finished',
    });
  }
  const lock = parseLock(readFileSync(folder.lock, 'utf8'), shown);
  const recipe = JSON.parse(readFileSync(folder.recipe, 'utf8')) as Recipe;
  const originOf = (path: string) => lock.recipe.origins[path] ?? 'default';
  return { lock, shown, rows: readRows(paths, folder.rows, lock), recipe: () => Promise.resolve({ recipe, originOf }) };
}

/** Rows that are not those of the lock would accuse rows that nobody touched. */
function readRows(paths: Paths, file: string, lock: Lock): SplitRows | undefined {
  if (!existsSync(file)) return undefined;
  const text = readFileSync(file, 'utf8');
  const rows = parseRows(text);
  const hasCounts = Object.entries(lock.dataset).every(([split, { rows: count }]) => rows[split]?.length === count);
  if (hasCounts && (lock.rows_sha256 ?? hashRowsFile(text)) === hashRowsFile(text)) return rows;
  const shown = shownPath(paths, file);
  throw new MlxError(
    'LOCK_EDITED',
    `${shown} does not hold the rows of its lock: it was changed, or is another lock's.`,
    {
      hint: `Take the written one back (git checkout -- ${shown}), or write both anew: mlx train`,
    },
  );
}

function shownPath({ project }: Pick<Paths, 'project'>, file: string): string {
  const inside = relative(project, file);
  return inside.startsWith('..') ? file : inside;
}
