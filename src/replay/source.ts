// Which lock a name, a run or a file means, with the rows beside it and the recipe that it is held against. Reads files and the ledger.
import { existsSync, readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { basename, join, relative, resolve } from 'node:path';

import type { Paths } from '../config/paths.js';
import { parseRows, type SplitRows } from '../dataset/row-hashes.js';
import { errorCode, MlxError } from '../errors.js';
import type { Ledger } from '../ledger/open.js';
import { allRunIds, findRun, type Run } from '../ledger/runs.js';
import { findRecipeFile } from '../recipe/find.js';
import { loadRecipeWithOrigins, type LoadedRecipe } from '../recipe/load.js';
import { parseLock, rowsFileOf, type Lock } from '../recipe/lock.js';
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
    if (error instanceof MlxError && error.code === 'RECIPE_NOT_FOUND') return undefined;
    throw error;
  }
}

async function namedRun({ ledger }: SourceEdges, reference: string): Promise<Run> {
  try {
    return findRun(await ledger(), reference);
  } catch (error) {
    if (!(error instanceof MlxError) || error.code !== 'NOT_FOUND') throw error;
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
  const recipe = recipeFile ?? resolve(paths.project, lock.recipe.file);
  return {
    lock,
    shown,
    rows: readRows(rowsFileOf(file)),
    recipe: () => loadRecipeWithOrigins(paths, recipe, lock.recipe.overrides),
  };
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
  return { lock, shown, rows: readRows(folder.rows), recipe: () => Promise.resolve({ recipe, originOf }) };
}

function readRows(file: string): SplitRows | undefined {
  return existsSync(file) ? parseRows(readFileSync(file, 'utf8')) : undefined;
}

function shownPath({ project }: Pick<Paths, 'project'>, file: string): string {
  const inside = relative(project, file);
  return inside.startsWith('..') ? file : inside;
}
