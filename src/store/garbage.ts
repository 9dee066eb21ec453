// What lies under .mlx and belongs to nobody any more: contents that nothing pins, and folders of runs that are in no ledger.
import { lstatSync, readdirSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';

import type { Paths } from '../config/paths.js';
import { errorCode } from '../errors.js';
import type { Ledger } from '../ledger/open.js';
import { allRunIds } from '../ledger/runs.js';
import { pinnedHashes } from './pins.js';

export type Garbage = {
  kind: 'content' | 'run_folder' | 'runtime' | 'captures';
  /** A path, or the id of a runtime. */
  name: string;
  /** What the disk gets back; 0 for a file that also has another name. */
  bytes: number;
};

/** A training that begins has its folder before its row, and a content its partial name before its own. */
const youngMs = 3_600_000;

export function findGarbage(
  ledger: Ledger,
  paths: Pick<Paths, 'store' | 'runs' | 'recipes'>,
  nowMs: number,
): Garbage[] {
  const pinned = pinnedHashes(ledger, paths);
  const contents = entries(paths.store)
    .flatMap((folder) => entries(folder))
    .filter((file) => !pinned.has(basename(file)) && isOld(file, nowMs, file.endsWith('.partial')))
    .map((file): Garbage => ({ kind: 'content', name: file, bytes: freedBytes(file) }));
  const folders = orphanFolders(ledger, paths.runs)
    .filter((folder) => isOld(folder, nowMs, true))
    .map((folder): Garbage => ({ kind: 'run_folder', name: folder, bytes: bytesBelow(folder) }));
  return [...contents, ...folders];
}

/** Folders of runs that the ledger does not know: of a training that never began, or of one that an older copy of the ledger lacks. */
export function orphanFolders(ledger: Ledger, runs: string): string[] {
  const known = new Set(allRunIds(ledger));
  return entries(runs).filter((folder) => !known.has(basename(folder)));
}

/** Not for runtimes: they are the engine's. */
export function removeGarbage({ name }: Garbage): void {
  rmSync(name, { recursive: true, force: true });
}

function isOld(path: string, nowMs: number, matters: boolean): boolean {
  return !matters || nowMs - lstatSync(path).mtimeMs > youngMs;
}

function bytesBelow(folder: string): number {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .reduce((bytes, entry) => bytes + freedBytes(join(entry.parentPath, entry.name)), 0);
}

function freedBytes(file: string): number {
  const { size, nlink } = lstatSync(file);
  return nlink > 1 ? 0 : size;
}

function entries(folder: string): string[] {
  try {
    return readdirSync(folder)
      .sort()
      .map((name) => join(folder, name));
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR') return [];
    throw error;
  }
}
