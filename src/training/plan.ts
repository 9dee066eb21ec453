// `mlx train --dry-run`: what a training would do, checked as far as it can be without doing it. Leaves nothing behind.
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

import type { Paths } from '../config/paths.js';
import { prepareDataset } from '../dataset/prepare.js';
import type { RunDataset } from '../ledger/metrics.js';
import type { Ledger } from '../ledger/open.js';
import { findRun } from '../ledger/runs.js';
import { formatCount } from '../output/numbers.js';
import { renderTable } from '../output/table.js';
import { loadRecipe } from '../recipe/load.js';
import type { Recipe } from '../recipe/schema.js';
import { findKnownModel } from './base-model.js';
import { recipeParams } from './specification.js';
import type { TrainRequest } from './train.js';

export type TrainingPlan = {
  recipe: string;
  resume: string | null;
  baseModel: string;
  /** false: it is downloaded, or made, first; a folder of the person's own is just not there. */
  baseModelPresent: boolean;
  /** Optimiser steps; null when the run goes on from a checkpoint. */
  steps: number | null;
  datasets: RunDataset[];
  warnings: string[];
  params: Record<string, string>;
};

export async function planTraining(
  { paths, ledger }: { paths: Paths; ledger: () => Promise<Ledger> },
  request: TrainRequest,
): Promise<TrainingPlan> {
  if (request.resume !== undefined) return resumePlan(await ledger(), request.resume);
  const recipe = await loadRecipe(paths, request.recipe, request.overrides);
  const folder = mkdtempSync(join(tmpdir(), 'mlx-plan-'));
  try {
    const { splits, warnings } = await prepareDataset(recipe, paths.project, folder);
    const base = wantedBaseModel(recipe);
    const rows = splits.find(({ split }) => split === 'train')?.rows ?? 0;
    return {
      recipe: recipe.name,
      resume: null,
      baseModel: `${base.repository}@${base.commit}`,
      baseModelPresent: await isPresent(paths, recipe),
      steps: optimiserSteps(recipe, rows),
      datasets: splits,
      warnings,
      params: recipeParams(recipe, base),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function resumePlan(ledger: Ledger, reference: string): TrainingPlan {
  const { id, recipe, baseModel, baseCommit } = findRun(ledger, reference);
  return {
    recipe,
    resume: id,
    baseModel: `${baseModel}@${baseCommit}`,
    baseModelPresent: true,
    steps: null,
    datasets: [],
    warnings: [],
    params: {},
  };
}

async function isPresent(paths: Paths, { base_model: wanted }: Recipe): Promise<boolean> {
  if ('path' in wanted) return existsSync(resolve(paths.project, wanted.path));
  return (await findKnownModel(paths, paths.project, wanted)) !== undefined;
}

function wantedBaseModel({ base_model: wanted }: Recipe): { repository: string; commit: string } {
  return 'path' in wanted
    ? { repository: wanted.path, commit: 'as it is' }
    : { repository: wanted.repository, commit: wanted.revision };
}

/** Upper bound with packing: packed rows are fewer. */
export function optimiserSteps({ trainer }: Recipe, rows: number): number {
  const rowsPerStep = trainer.per_device_train_batch_size * trainer.gradient_accumulation_steps;
  const steps = Math.ceil(Math.ceil(rows / rowsPerStep) * trainer.num_train_epochs);
  return trainer.max_steps > 0 ? trainer.max_steps : steps;
}

export function renderPlan(plan: TrainingPlan, width: number): string {
  if (plan.resume !== null) return `Would go on with run ${plan.resume} from its last checkpoint.`;
  const rows = plan.datasets.map(
    ({ split, rows: count, sources }) => `  ${split}: ${formatCount(count)} rows of ${sources}`,
  );
  const params = renderTable(
    [
      { title: 'param', cell: ([key]) => `  ${key}` },
      { title: 'value', cell: ([, value]) => value },
    ],
    Object.entries(plan.params),
    width,
  );
  return [
    `Would train ${plan.recipe} on ${plan.baseModel}, about ${formatCount(plan.steps ?? 0)} steps. Nothing was changed.`,
    ...rows,
    ...(plan.baseModelPresent ? [] : [`  note: ${plan.baseModel} is not on this machine yet`]),
    ...plan.warnings.map((warning) => `  note: ${warning}`),
    params,
  ].join('\n');
}
