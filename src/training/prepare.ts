// Everything before a run exists: recipe, rows, runtime, base model. When a step fails there is no run and no folder.
import { randomBytes } from 'node:crypto';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';

import { prepareDataset, type PreparedDataset } from '../dataset/prepare.js';
import type { Engine } from '../engine/engine.js';
import { currentOwner } from '../engine/owner.js';
import { recordDatasets, recordParams } from '../ledger/metrics.js';
import { write } from '../ledger/open.js';
import { findRun, insertRun, updateRun, type Run } from '../ledger/runs.js';
import { loadRecipe } from '../recipe/load.js';
import type { Recipe } from '../recipe/schema.js';
import { ensureBaseModel, type BaseModel } from './base-model.js';
import { refuseSecondTraining } from './ownership.js';
import { runFolder, type RunFolder } from './run-folder.js';
import { recipeParams, trainerSpecification } from './specification.js';
import type { TrainEdges, TrainRequest } from './train.js';

/** A run that is in the ledger, owned by this process, and can start at once. */
export type PreparedRun = {
  run: Run;
  recipe: Recipe;
  folder: RunFolder;
  baseModel: BaseModel;
  resume: boolean;
  /** Spent on downloads and installs: work of its own, not overhead of mlx. */
  fetchMs: number;
};

/**
 * @throws MlxError BUSY while another run of this project is alive; RECIPE_INVALID, DATA_INVALID, ... of the steps
 */
export async function prepareRun(edges: TrainEdges, request: TrainRequest): Promise<PreparedRun> {
  refuseSecondTraining(edges.ledger);
  const recipe = await loadRecipe(edges.paths, request.recipe, request.overrides);
  const id = `${request.name ?? recipe.name}-${randomBytes(3).toString('hex')}`;
  const folder = runFolder(edges.paths.runs, id);
  mkdirSync(folder.out, { recursive: true, mode: 0o700 });
  try {
    edges.onProgress(`checking the rows of ${recipe.name}`);
    const dataset = await prepareDataset(recipe, edges.paths.project, folder.data);
    for (const warning of dataset.warnings) edges.note(warning);
    const engine = await edges.engine();
    const fetching = openStopwatch(edges);
    const runtime = await engine.prepareRuntime('trainer', fetching.onProgress, edges.signal);
    const baseModel = await fetchBaseModel({ ...edges, onProgress: fetching.onProgress }, engine, recipe);
    const fetchMs = fetching.elapsedMs();
    edges.signal.throwIfAborted();
    writeJson(folder.recipe, recipe);
    writeJson(folder.spec, trainerSpecification(id, recipe));
    const run = startRow(edges, { id, recipe, baseModel, dataset, engine, runtime: runtime.id });
    return { run, recipe, folder, baseModel, resume: false, fetchMs };
  } catch (error) {
    rmSync(folder.folder, { recursive: true, force: true });
    throw error;
  }
}

export function fetchBaseModel(edges: TrainEdges, engine: Engine, recipe: Recipe): Promise<BaseModel> {
  const { paths, environment, onProgress, signal } = edges;
  return ensureBaseModel(engine, paths, paths.project, recipe.base_model, environment, onProgress, signal);
}

/** Counts only when something was really fetched or installed: a quick look at what is there is mlx's own time. */
function openStopwatch({ onProgress }: TrainEdges): { onProgress: TrainEdges['onProgress']; elapsedMs: () => number } {
  const begun = performance.now();
  let worked = false;
  return {
    onProgress: (line, fraction) => {
      worked = true;
      onProgress(line, fraction);
    },
    elapsedMs: () => (worked ? performance.now() - begun : 0),
  };
}

type NewRow = {
  id: string;
  recipe: Recipe;
  baseModel: BaseModel;
  dataset: PreparedDataset;
  engine: Engine;
  runtime: string;
};

/** One transaction: two commands at once cannot both find the project free. */
function startRow({ ledger, now }: TrainEdges, row: NewRow): Run {
  const { id, recipe, baseModel, dataset, engine, runtime } = row;
  return write(ledger, () => {
    refuseSecondTraining(ledger);
    insertRun(ledger, {
      id,
      recipe: recipe.name,
      recipeFile: recipe.file,
      method: recipe.method,
      baseModel: baseModel.repository,
      baseCommit: baseModel.commit,
      seed: recipe.seed,
      engine: engine.kind,
      owner: currentOwner(),
      startedAtMs: now().getTime(),
    });
    updateRun(ledger, id, { runtime });
    recordParams(ledger, id, recipeParams(recipe, baseModel));
    recordDatasets(ledger, id, dataset.splits);
    return findRun(ledger, id);
  });
}

function writeJson(file: string, value: unknown): void {
  writeFileSync(file, `${JSON.stringify(value, null, 2)}\n`, { mode: 0o600 });
}
