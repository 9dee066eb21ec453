// Environments of earlier locks in MLX_HOME/venvs, which no version of today uses: found, and taken away.
import { lstatSync, readdirSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';

import { packageRoot, type HomePaths } from '../../config/paths.js';
import { errorCode } from '../../errors.js';
import type { OldRuntime } from '../engine.js';
import { withLock } from '../lock.js';
import { venvFolder } from './venvs.js';

const locks = ['trainer', 'mlflow', 'server-cuda'];
/** Minor versions of Python 3 that the locks are installed for. */
const series = ['3.11.0', '3.12.0', '3.13.0'];

export function oldVenvs(home: HomePaths, keep: readonly string[]): OldRuntime[] {
  const current = new Set(
    locks.flatMap((lock) => series.map((python) => venvFolder(home, lock, lockText(lock), python))),
  );
  return venvNames(home)
    .filter((name) => !current.has(join(home.venvs, name)) && !keep.includes(name))
    .filter((name) => !isInUse(join(home.venvs, name)))
    .map((name) => ({ id: name, sizeBytes: bytesOf(join(home.venvs, name)) }));
}

export async function removeVenv(home: HomePaths, id: string): Promise<void> {
  const folder = join(home.venvs, id);
  await withLock(`${folder}.lock`, () => rm(folder, { recursive: true, force: true }), {
    signal: new AbortController().signal,
  });
}

/** Ours, and whole: LOCK-TWELVE_DIGITS. Half-made ones are taken away by who builds next. */
function venvNames(home: HomePaths): string[] {
  try {
    return readdirSync(home.venvs).filter((name) => new RegExp(`^(${locks.join('|')})-[0-9a-f]{12}$`).test(name));
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return [];
    throw error;
  }
}

/** A model server or a training of any project runs from it. Known on Linux alone; elsewhere it counts as unused. */
function isInUse(folder: string): boolean {
  return processIds().some((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(`${folder}/`);
    } catch {
      return false;
    }
  });
}

function processIds(): string[] {
  return process.platform === 'linux' ? readdirSync('/proc').filter((name) => /^\d+$/.test(name)) : [];
}

function bytesOf(folder: string): number {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .reduce((bytes, entry) => bytes + lstatSync(join(entry.parentPath, entry.name)).size, 0);
}

function lockText(lock: string): string {
  return readFileSync(join(packageRoot(), 'recipes', 'requirements', `${lock}.txt`), 'utf8');
}
