// What a recipe resolves to, written down before any compute: the part of a lock that can be known without running.
// Reads git, the driver, the base model's manifest and what the engine says of its runtime.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, isAbsolute, join, relative, resolve as resolvePath } from 'node:path';

import type { Paths } from '../config/paths.js';
import type { PreparedDataset } from '../dataset/prepare.js';
import { merkleRoot, renderRows } from '../dataset/row-hashes.js';
import type { Origin } from '../recipe/load.js';
import { lockFileOf, type Lock, type Resolved } from '../recipe/lock.js';
import type { Recipe } from '../recipe/schema.js';
import type { BaseFacts } from './base-facts.js';
import { readCodeState } from './code-state.js';
import { determinismClass, determinismEnvironment } from './determinism.js';
import { readMachine } from './machine.js';
import type { RunFolder } from './run-folder.js';
import { recipeSettings, trainerEnvironment } from './specification.js';

export type Resolution = {
  resolved: Resolved;
  /** Where the lock goes beside the run's own; null: nowhere (a replay, `--no-lock`). */
  lockFile: string | null;
};

export type ResolutionInputs = {
  paths: Paths;
  environment: NodeJS.ProcessEnv;
  gpuAllowed: boolean;
  recipe: Recipe;
  originOf: (path: string) => Origin;
  overrides: readonly string[];
  /** `facts` undefined: not on this machine. */
  baseModel: { repository: string; commit: string | null; facts: BaseFacts | undefined };
  dataset: PreparedDataset;
  runtime: Lock['runtime'];
};

export async function resolve(inputs: ResolutionInputs): Promise<{ resolved: Resolved; patch: string | null }> {
  const { paths, environment, recipe, runtime } = inputs;
  const [code, machine] = await Promise.all([
    readCodeState(paths, environment),
    readMachine(environment, inputs.gpuAllowed),
  ]);
  const asked = trainerEnvironment({ determinism: recipe.determinism, environment });
  const resolved: Resolved = {
    recipe: lockedRecipe(inputs),
    base_model: lockedBase(inputs),
    dataset: { train: lockedSplit(inputs.dataset, 'train'), held_out: lockedSplit(inputs.dataset, 'held_out') },
    runtime,
    code: { commit: code.commit, patch_sha256: code.patch === null ? null : hashText(code.patch) },
    machine,
    determinism: {
      ...determinismClass(recipe, machine.device),
      environment: determinismEnvironment(asked, environment, runtime.engine),
      seeds: { seed: recipe.seed },
    },
  };
  return { resolved, patch: code.patch };
}

/** Beside the recipe; for one outside of the project, among the project's recipes. */
export function lockPlace(paths: Pick<Paths, 'project' | 'recipes'>, recipe: Pick<Recipe, 'file' | 'name'>): string {
  return isInside(relative(paths.project, recipe.file))
    ? lockFileOf(recipe.file)
    : join(paths.recipes, `${recipe.name}.lock.yaml`);
}

/** A model folder inside of the project by its way from there, which is the same on every machine; another as it is given. */
export function modelFolderName({ project }: Pick<Paths, 'project'>, path: string): string {
  const inside = relative(project, resolvePath(project, path));
  return isInside(inside) ? inside : path;
}

function isInside(way: string): boolean {
  return !way.startsWith('..') && !isAbsolute(way);
}

export function writeResolution(
  folder: RunFolder,
  resolution: Resolution,
  rows: PreparedDataset['rows'],
  patch: string | null,
): void {
  writeFileSync(folder.resolution, `${JSON.stringify(resolution, null, 2)}\n`, { mode: 0o600 });
  writeFileSync(folder.rows, renderRows(rows), { mode: 0o600 });
  if (patch !== null) writeFileSync(folder.patch, patch, { mode: 0o600 });
}

/** undefined for a run of an older mlx. */
export function readResolution(folder: RunFolder): Resolution | undefined {
  if (!existsSync(folder.resolution)) return undefined;
  return JSON.parse(readFileSync(folder.resolution, 'utf8')) as Resolution;
}

function lockedRecipe({ paths, recipe, originOf, overrides }: ResolutionInputs): Lock['recipe'] {
  const settings = recipeSettings(recipe);
  return {
    name: recipe.name,
    file: relative(dirname(paths.configFile), recipe.file),
    overrides: [...overrides],
    settings,
    origins: Object.fromEntries(Object.keys(settings).map((path) => [path, originOf(path)])),
  };
}

function lockedBase({ paths, recipe, baseModel }: ResolutionInputs): Lock['base_model'] {
  const { repository, commit, facts } = baseModel;
  return {
    repository: 'path' in recipe.base_model ? modelFolderName(paths, recipe.base_model.path) : repository,
    commit,
    files: facts?.files ?? null,
    tokenizer_sha256: facts?.tokenizer_sha256 ?? null,
    chat_template_sha256: facts?.chat_template_sha256 ?? null,
  };
}

function lockedSplit({ splits, rows }: PreparedDataset, name: 'train' | 'held_out'): Lock['dataset']['train'] {
  const split = splits.find((candidate) => candidate.split === name);
  const hashes = (rows[name] ?? []).map(({ sha256 }) => sha256);
  return {
    sources: split?.sources ?? '',
    rows: hashes.length,
    file_sha256: split?.sha256 ?? '',
    merkle_root: merkleRoot(hashes),
  };
}

function hashText(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
