// Checks what a trainer left behind before anything else may load it, and names it by its hash.
// Only the weights are hashed: adapter_config.json and README.md differ between equal runs (sets have no order in Python).
import { createHash } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

import { MlxError } from '../errors.js';
import { safetensorsProblem } from '../privacy/safetensors.js';
import { hashFile } from '../store/hash-file.js';
import type { RunFolder } from './run-folder.js';

/** Weights as safetensors; beside them only what is plainly text. No pickle, no Python, no links. */
const allowedEndings = ['.safetensors', '.json', '.jinja', '.txt', '.md', '.model'];

/** The weights of a run: SHA-256 by file, and one for all of them. */
export type TrainedWeights = { sha256: string; files: Record<string, string> };

/** @throws MlxError ADAPTER_MISSING, ADAPTER_UNSAFE (also for a broken file) */
export async function hashTrainedWeights(folder: RunFolder, output: 'adapter' | 'model'): Promise<TrainedWeights> {
  const place = output === 'adapter' ? folder.adapter : folder.model;
  if (!existsSync(place)) throw missing(place);
  refuseUnsafe(place);
  const weights = readdirSync(place).filter((name) => name.endsWith('.safetensors'));
  if (output === 'adapter' && !weights.includes('adapter_model.safetensors')) throw missing(place);
  if (weights.length === 0) throw missing(place);
  await refuseBroken(place, weights);
  return hashFiles(place, weights.sort());
}

/** One file: its SHA-256. A model in several: the SHA-256 of their `sha256sum` lines. */
async function hashFiles(place: string, names: string[]): Promise<TrainedWeights> {
  const hashes = await Promise.all(names.map(async (name) => [name, await hashFile(join(place, name))] as const));
  const files = Object.fromEntries(hashes);
  const [first] = hashes;
  if (first && hashes.length === 1) return { sha256: first[1], files };
  const lines = hashes.map(([name, sha256]) => `${sha256}  ${name}\n`).join('');
  return { sha256: createHash('sha256').update(lines).digest('hex'), files };
}

function refuseUnsafe(place: string): void {
  for (const entry of readdirSync(place, { withFileTypes: true, recursive: true })) {
    const allowed =
      entry.isDirectory() || (entry.isFile() && allowedEndings.some((ending) => entry.name.endsWith(ending)));
    if (allowed) continue;
    throw new MlxError(
      'ADAPTER_UNSAFE',
      `The trainer left ${join(entry.parentPath, entry.name)}, which is neither safetensors nor plain text.`,
      { hint: 'Nothing will load this folder. Look at it by hand, then delete the run: mlx runs rm' },
    );
  }
}

/** A disk that ran full, or a process that was killed while it wrote, leaves half a file. */
async function refuseBroken(place: string, weights: readonly string[]): Promise<void> {
  for (const name of weights) {
    const problem = await safetensorsProblem(join(place, name));
    if (problem === undefined) continue;
    throw new MlxError('ADAPTER_UNSAFE', `The trainer left a broken file: ${join(place, name)} ${problem}.`, {
      hint: 'Nothing will load this folder. See what happened: mlx runs logs latest',
    });
  }
}

function missing(place: string): MlxError {
  return new MlxError('ADAPTER_MISSING', `The trainer said that it finished, but there are no weights in ${place}.`, {
    hint: 'Read its last lines: mlx runs logs latest',
  });
}
