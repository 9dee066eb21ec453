// Goes on with a run that ended early, from what its folder holds: the stored recipe and rows, not today's YAML and files.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { currentOwner } from '../engine/owner.js';
import { MlxError } from '../errors.js';
import { runDatasets } from '../ledger/metrics.js';
import { findRun, type Run } from '../ledger/runs.js';
import { recipeReference } from '../recipe/find.js';
import type { Recipe } from '../recipe/schema.js';
import { hashFile } from '../store/hash-file.js';
import { findBaseModel, type BaseModel } from './base-model.js';
import { checkConditions } from './conditions.js';
import { refuseSecondTraining, takeOver } from './ownership.js';
import { fetchBaseModel, openStopwatch, type PreparedRun } from './prepare.js';
import { runFolder, type RunFolder } from './run-folder.js';
import type { TrainEdges } from './train.js';

/** @throws MlxError USAGE for a finished run, BUSY for a running one, RUN_FILES_MISSING, DATA_INVALID when its rows were changed */
export async function resumeRun(edges: TrainEdges, reference: string): Promise<PreparedRun> {
  const { ledger } = edges;
  const run = findRun(ledger, reference);
  refuseSecondTraining(ledger);
  if (run.state === 'finished') {
    throw new MlxError('USAGE', `Run ${run.id} is finished; there is nothing to resume.`, {
      hint: `Train again: mlx train ${referenceOf(edges, run)} (or package it: mlx package ${run.id})`,
    });
  }
  const folder = runFolder(edges.paths.runs, run.id);
  const recipe = storedRecipe(edges, run, folder);
  await checkRows(edges, run, folder);
  const engine = await edges.engine(run.engine);
  const fetching = openStopwatch(edges);
  await engine.prepareRuntime('trainer', fetching.onProgress, edges.signal);
  const baseModel = await sameBaseModel({ ...edges, onProgress: fetching.onProgress }, run, recipe);
  const fetchMs = fetching.elapsedMs();
  await checkConditions(edges, folder, engine);
  return { run: takeOver(ledger, run.id, run.state), recipe, folder, baseModel, resume: true, fetchMs };
}

/** The other half of --detach: the command that prepared the run made this process its owner before it began. */
export async function adoptRun(edges: TrainEdges, id: string): Promise<PreparedRun> {
  const run = findRun(edges.ledger, id);
  if (run.state !== 'running' || run.owner !== currentOwner()) {
    throw new MlxError('USAGE', `Run ${id} belongs to another process.`, { hint: `See it: mlx runs show ${id}` });
  }
  const folder = runFolder(edges.paths.runs, id);
  const recipe = storedRecipe(edges, run, folder);
  const fetching = openStopwatch(edges);
  const baseModel = await sameBaseModel({ ...edges, onProgress: fetching.onProgress }, run, recipe);
  const fetchMs = fetching.elapsedMs();
  return { run, recipe, folder, baseModel, resume: existsSync(folder.checkpoints), fetchMs };
}

function storedRecipe(edges: TrainEdges, run: Run, folder: RunFolder): Recipe {
  for (const file of [folder.recipe, folder.spec, folder.out]) {
    if (existsSync(file)) continue;
    throw new MlxError('RUN_FILES_MISSING', `Run ${run.id} cannot go on: ${file} is gone.`, {
      hint: `Train again: mlx train ${referenceOf(edges, run)}`,
    });
  }
  return JSON.parse(readFileSync(folder.recipe, 'utf8')) as Recipe;
}

async function checkRows(edges: TrainEdges, run: Run, folder: RunFolder): Promise<void> {
  for (const { split, sha256 } of runDatasets(edges.ledger, run.id)) {
    const file = join(folder.data, `${split}.jsonl`);
    if (existsSync(file) && (await hashFile(file)) === sha256) continue;
    throw new MlxError('DATA_INVALID', `${file} is not the file that run ${run.id} started with.`, {
      hint: `A run goes on only with the same rows. Train again: mlx train ${referenceOf(edges, run)}`,
    });
  }
}

/** The commit that the run started with, even when the branch moved on. */
async function sameBaseModel(edges: TrainEdges, run: Run, recipe: Recipe): Promise<BaseModel> {
  const present = findBaseModel(edges.paths, run.baseModel, run.baseCommit);
  if (present) return present;
  const fetched = await fetchBaseModel(edges, await edges.engine(run.engine), recipe);
  if (fetched.commit === run.baseCommit) return fetched;
  throw new MlxError(
    'BASE_MODEL_CHANGED',
    `${run.baseModel} is at ${fetched.commit} now; the run started with ${run.baseCommit}.`,
    {
      hint: `Fetch that one: mlx pull ${run.baseModel}@${run.baseCommit}, then again: mlx train --resume ${run.id}`,
    },
  );
}

/** What `mlx train` takes for the recipe of a run. */
function referenceOf({ paths }: TrainEdges, { recipe, recipeFile }: Run): string {
  return recipeReference(paths, { name: recipe, file: recipeFile });
}
