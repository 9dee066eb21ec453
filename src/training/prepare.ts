// Everything before a run exists: recipe, rows, runtime, base model. When a step fails there is no run and no folder.
import { randomBytes } from 'node:crypto';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';

import { prepareDataset, type PreparedDataset } from '../dataset/prepare.js';
import type { Engine } from '../engine/engine.js';
import { currentOwner } from '../engine/owner.js';
import { recordDatasets, recordParams } from '../ledger/metrics.js';
import { write } from '../ledger/open.js';
import { findRun, insertRun, updateRun, type Run } from '../ledger/runs.js';
import { loadRecipeWithOrigins, type LoadedRecipe } from '../recipe/load.js';
import type { Recipe } from '../recipe/schema.js';
import { baseFacts } from './base-facts.js';
import { ensureBaseModel, type BaseModel } from './base-model.js';
import { refuseSecondTraining } from './ownership.js';
import { lockPlace, resolve, writeResolution } from './resolution.js';
import { runtimeFacts } from './runtime-facts.js';
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
  /** This runtime instead of today's: that of a lock. */
  runtimeId?: string | undefined;
  /** Spent on downloads and installs: work of its own, not overhead of mlx. */
  fetchMs: number;
};

/**
 * @throws MlxError BUSY while another run of this project is alive; RECIPE_INVALID, DATA_INVALID, ... of the steps
 */
export async function prepareRun(edges: TrainEdges, request: TrainRequest): Promise<PreparedRun> {
  refuseSecondTraining(edges.ledger);
  const loaded = request.replay ?? (await loadRecipeWithOrigins(edges.paths, request.recipe, request.overrides));
  const { recipe } = loaded;
  const id = `${request.name ?? recipe.name}-${randomBytes(3).toString('hex')}`;
  const folder = runFolder(edges.paths.runs, id);
  mkdirSync(folder.out, { recursive: true, mode: 0o700 });
  try {
    edges.onProgress(`checking the rows of ${recipe.name}`);
    const dataset = await runRows(edges, request, recipe, folder);
    for (const warning of dataset.warnings) edges.note(warning);
    const engine = await edges.engine();
    const fetching = openStopwatch(edges);
    const runtimeId = request.replay?.runtimeId;
    const runtime = runtimeId ?? (await engine.prepareRuntime('trainer', fetching.onProgress, edges.signal)).id;
    const commit = request.replay?.baseCommit;
    const baseModel = await fetchBaseModel({ ...edges, onProgress: fetching.onProgress }, engine, recipe, commit);
    const fetchMs = fetching.elapsedMs();
    edges.signal.throwIfAborted();
    writeJson(folder.recipe, recipe);
    writeJson(folder.spec, trainerSpecification(id, recipe));
    await writeDown(edges, request, { loaded, folder, dataset, engine, baseModel });
    const replayOf = request.replay?.of ?? null;
    const run = startRow(edges, { id, recipe, baseModel, dataset, engine, runtime, replayOf });
    return { run, recipe, folder, baseModel, resume: false, runtimeId, fetchMs };
  } catch (error) {
    rmSync(folder.folder, { recursive: true, force: true });
    throw error;
  }
}

/** Of the data files; for a replay of the content store, when they are no longer what they were. */
async function runRows(
  { paths }: TrainEdges,
  { replay }: TrainRequest,
  recipe: Recipe,
  folder: RunFolder,
): Promise<PreparedDataset> {
  if (replay?.rows === undefined) return prepareDataset(recipe, paths.project, folder.data);
  mkdirSync(folder.data, { recursive: true });
  for (const [split, file] of Object.entries(replay.rows.files)) {
    await copyFile(file, join(folder.data, `${split}.jsonl`));
  }
  return replay.rows.dataset;
}

type Prepared = {
  loaded: LoadedRecipe;
  folder: RunFolder;
  dataset: PreparedDataset;
  engine: Engine;
  baseModel: BaseModel;
};

/** What it all resolved to, before any compute. */
async function writeDown(edges: TrainEdges, request: TrainRequest, prepared: Prepared): Promise<void> {
  const { paths, environment } = edges;
  const { loaded, folder, dataset, engine, baseModel } = prepared;
  const { repository, commit } = baseModel;
  const facts = await baseFacts(paths, repository, commit, false);
  const { resolved, patch } = await resolve({
    paths,
    environment,
    gpuAllowed: edges.config.gpu !== 'off',
    ...loaded,
    overrides: request.replay?.overrides ?? request.overrides,
    baseModel: { repository, commit, facts },
    dataset,
    runtime: runtimeFacts(engine.kind, await engine.describeRuntime('trainer', request.replay?.runtimeId)),
  });
  const isLocked = request.replay === undefined && request.lock !== false;
  const lockFile = isLocked ? lockPlace(paths, loaded.recipe) : null;
  writeResolution(folder, { resolved, lockFile }, dataset.rows, patch);
}

/** @param commit this one instead of what the recipe's revision is today */
export function fetchBaseModel(edges: TrainEdges, engine: Engine, recipe: Recipe, commit?: string): Promise<BaseModel> {
  const { paths, environment, onProgress, signal } = edges;
  const wanted = recipe.base_model;
  const pinned = commit === undefined || 'path' in wanted ? wanted : { ...wanted, revision: commit };
  return ensureBaseModel(engine, paths, paths.project, pinned, environment, onProgress, signal);
}

/** Counts only when something was really fetched or installed: a quick look at what is there is mlx's own time. */
export function openStopwatch({ onProgress }: Pick<TrainEdges, 'onProgress'>): {
  onProgress: TrainEdges['onProgress'];
  elapsedMs: () => number;
} {
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
  replayOf: string | null;
};

/** One transaction: two commands at once cannot both find the project free. */
function startRow({ ledger, now }: TrainEdges, row: NewRow): Run {
  const { id, recipe, baseModel, dataset, engine, runtime, replayOf } = row;
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
    updateRun(ledger, id, { runtime, replayOf });
    recordParams(ledger, id, recipeParams(recipe, baseModel));
    recordDatasets(ledger, id, dataset.splits);
    return findRun(ledger, id);
  });
}

function writeJson(file: string, value: unknown): void {
  writeFileSync(file, `${JSON.stringify(value, null, 2)}\n`, { mode: 0o600 });
}
