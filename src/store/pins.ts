// Which hashes of the content store somebody still needs: a lock, a run that is kept, and so every version and alias.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import type { Paths } from '../config/paths.js';
import type { Ledger } from '../ledger/open.js';
import { runPins } from '../ledger/runs.js';

/** Every hash that a lock names, whether this mlx can read the lock or not: an edited or newer one still pins what it says. */
export function pinnedHashes(ledger: Ledger, { recipes, runs }: Pick<Paths, 'recipes' | 'runs'>): Set<string> {
  const locks = [...lockFiles(recipes, '.lock.yaml'), ...lockFiles(runs, 'run.lock.yaml')];
  const named = locks.flatMap((file) => readFileSync(file, 'utf8').match(/\b[0-9a-f]{64}\b/g) ?? []);
  return new Set([...runPins(ledger), ...named]);
}

/** Ids of runtimes (an image, a venv) that a lock was written with: a replay takes exactly that one while it is there. */
export function pinnedRuntimes({ recipes, runs }: Pick<Paths, 'recipes' | 'runs'>): string[] {
  const locks = [...lockFiles(recipes, '.lock.yaml'), ...lockFiles(runs, 'run.lock.yaml')];
  return locks.flatMap((file) => /^ {2}id: "?([^"\n]+)"?$/m.exec(readFileSync(file, 'utf8'))?.[1] ?? []);
}

function lockFiles(folder: string, ending: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(ending))
    .map((name) => join(folder, name));
}
