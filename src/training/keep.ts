// What stays of a finished run: its rows and weights in the content store, its lock in its folder and beside the recipe.
// Touches .mlx/store, .mlx/runs/ID and recipes/NAME.lock.yaml with NAME.lock.rows; each file is there whole or as it was.
import { copyFile, mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';

import type { Paths } from '../config/paths.js';
import { productVersion } from '../config/version.js';
import { latestMetrics, metricHistory, runDatasets } from '../ledger/metrics.js';
import type { Ledger } from '../ledger/open.js';
import type { Run } from '../ledger/runs.js';
import { recipeReference } from '../recipe/find.js';
import { hashRowsFile, renderLock, rowsFileOf, type Lock } from '../recipe/lock.js';
import { keepContent } from '../store/content.js';
import type { TrainedWeights } from './adapter.js';
import { readResolution } from './resolution.js';
import type { RunFolder } from './run-folder.js';

export type KeptLock = { file: string; overrides: readonly string[] };

/** @returns the lock, if there is one to tell of */
export async function keepRun(
  { ledger, paths }: { ledger: Ledger; paths: Paths },
  run: Run,
  folder: RunFolder,
  weights: TrainedWeights,
): Promise<KeptLock | undefined> {
  await keepFiles(ledger, paths.store, run, folder, weights);
  const resolution = readResolution(folder);
  if (resolution === undefined) return undefined;
  const { lockFile, resolved } = resolution;
  const results = lockResults(ledger, run, weights);
  const rowsHash = hashRowsFile(await readFile(folder.rows, 'utf8'));
  const text = renderLock({
    lock: 1,
    written_by: `mlx ${productVersion()}`,
    ...resolved,
    rows_sha256: rowsHash,
    results,
  });
  await replaceFile(folder.lock, (partial) => writeFile(partial, text, { mode: 0o600 }));
  if (lockFile === null) return undefined;
  await mkdir(dirname(lockFile), { recursive: true });
  // The rows first: a lock without its rows cannot name what changed.
  await replaceFile(rowsFileOf(lockFile), (partial) => copyFile(folder.rows, partial));
  await replaceFile(lockFile, (partial) => writeFile(partial, text));
  return { file: lockFile, overrides: resolved.recipe.overrides };
}

/** For people: where the lock is, what does it again, and what a committed lock holds that its recipe does not say. */
export function lockNote(paths: Paths, { recipe: name, recipeFile }: Run, { file, overrides }: KeptLock): string {
  const shown = relative(paths.project, file);
  const besides =
    overrides.length === 0 ? '' : ` with overrides ${overrides.join(', ')}, which the recipe does not say`;
  const reference = recipeReference(paths, { name, file: recipeFile });
  return `Locked in ${shown}${besides}: commit it with its .rows, and mlx replay ${reference} does this run again.`;
}

async function keepFiles(
  ledger: Ledger,
  store: string,
  run: Run,
  folder: RunFolder,
  weights: TrainedWeights,
): Promise<void> {
  for (const { split, sha256 } of runDatasets(ledger, run.id)) {
    await keepContent(store, join(folder.data, `${split}.jsonl`), sha256);
  }
  const place = run.method === 'full' ? folder.model : folder.adapter;
  for (const [name, sha256] of Object.entries(weights.files)) await keepContent(store, join(place, name), sha256);
}

function lockResults(ledger: Ledger, run: Run, weights: TrainedWeights): Lock['results'] {
  const metrics = latestMetrics(ledger, run.id);
  const scores = Object.entries(metrics).filter(([key]) => key.startsWith('held_out/'));
  return {
    run: run.id,
    weights: weights.files,
    adapter_sha256: weights.sha256,
    steps: run.steps ?? 0,
    tokens: run.tokens ?? 0,
    duration_ms: Math.round(metrics['duration_ms'] ?? 0),
    final_loss: metrics['train/loss'] ?? 0,
    scores: Object.fromEntries(scores),
    loss_curve: metricHistory(ledger, run.id, 'train/loss').map(({ step, value }) => [step, value]),
  };
}

async function replaceFile(file: string, write: (partial: string) => Promise<void>): Promise<void> {
  const partial = `${file}.partial`;
  await write(partial);
  await rename(partial, file);
}
