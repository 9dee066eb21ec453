// The base model of a lock, as it lies on this machine today; fetched by its commit when a replay needs it and it is absent.
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';

import type { Engine } from '../engine/engine.js';
import type { Lock } from '../recipe/lock.js';
import type { Recipe } from '../recipe/schema.js';
import { baseFacts, type BaseFacts } from '../training/base-facts.js';
import { ensureBaseModel, findKnownModel } from '../training/base-model.js';
import { demoRepository, demoRevision } from '../training/demo-base.js';
import type { PreflightEdges } from './preflight.js';

export type TodaysBase = {
  repository: string;
  commit: string | null;
  facts: BaseFacts | undefined;
  fetched: boolean;
  /** Why there is none, and mlx cannot fetch it. */
  problem?: string;
};

/** @param bringBack fetch what is absent, and read every byte of what is there */
export async function lockedBase(
  edges: PreflightEdges,
  engine: Engine | undefined,
  recipe: Recipe,
  lock: Lock,
  bringBack: boolean,
): Promise<TodaysBase> {
  if ('path' in recipe.base_model) return folderBase(edges, recipe.base_model.path, bringBack);
  const { repository } = recipe.base_model;
  const commit = lock.base_model.commit;
  if (commit === null || repository !== lock.base_model.repository) {
    return { repository, commit: null, facts: undefined, fetched: false };
  }
  const present = await baseFacts(edges.paths, repository, commit, bringBack);
  if (present !== undefined) return { repository, commit, facts: present, fetched: false };
  // Made here and by no older mlx: another one cannot be had.
  if (repository === demoRepository && commit !== demoRevision()) {
    return { repository, commit: demoRevision(), facts: undefined, fetched: false };
  }
  if (!bringBack || engine === undefined) return { repository, commit: null, facts: undefined, fetched: false };
  const { paths, environment, onProgress, signal } = edges;
  const wanted = { repository, revision: commit };
  await ensureBaseModel(engine, paths, paths.project, wanted, environment, onProgress, signal);
  return { repository, commit, facts: await baseFacts(paths, repository, commit, false), fetched: true };
}

/** A folder of the person's own: its commit follows from its files. */
async function folderBase({ paths }: PreflightEdges, path: string, verify: boolean): Promise<TodaysBase> {
  const folder = resolve(paths.project, path);
  if (!existsSync(folder)) {
    return { repository: folder, commit: null, facts: undefined, fetched: false, problem: 'the folder is not there' };
  }
  const known = await findKnownModel(paths, paths.project, { path });
  const facts = await baseFacts(paths, folder, known?.commit ?? '', verify);
  return { repository: folder, commit: known?.commit ?? null, facts, fetched: false };
}
