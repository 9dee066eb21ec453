// An exclusive lock between processes: a file that names its owner. One whose owner died is taken over, so none ever needs a person.
import { randomUUID } from 'node:crypto';
import { link, mkdir, readFile, readlink, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

import { errorCode, isDiskFull, MlxError } from '../errors.js';
import { currentOwner, ownerIsAlive } from './owner.js';

export type LockWait = {
  signal?: AbortSignal;
  /** Called once when somebody else holds the lock. */
  onWait?: (holder: string) => void;
};

const pollMs = 50;

/** @throws MlxError DISK_FULL; the signal's reason when it is aborted while waiting */
export async function withLock<Result>(
  file: string,
  work: () => Promise<Result>,
  wait: LockWait = {},
): Promise<Result> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  await takeLock(file, wait);
  try {
    return await work();
  } finally {
    await rm(file, { force: true });
  }
}

async function takeLock(file: string, wait: LockWait): Promise<void> {
  let told = false;
  while (!(await linkOwner(file))) {
    const holder = await readOwner(file);
    if (holder === undefined) continue;
    if (!ownerIsAlive(holder)) {
      await dropDeadLock(file, holder);
      continue;
    }
    if (!told) wait.onWait?.(holder);
    told = true;
    await pause(pollMs, undefined, { signal: wait.signal });
  }
}

/** A link appears at once and with its contents: no one ever reads a lock without an owner. */
async function linkOwner(file: string): Promise<boolean> {
  const own = `${file}.${randomUUID()}`;
  try {
    await writeFile(own, currentOwner(), { mode: 0o600 });
    await link(own, file);
    return true;
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false;
    if (isDiskFull(error)) return symlinkOwner(file);
    throw error;
  } finally {
    await rm(own, { force: true });
  }
}

/** On a full disk: an owner is so short that a symbolic link keeps it in the inode, without a block of data. So what runs can be stopped. */
async function symlinkOwner(file: string): Promise<boolean> {
  try {
    await symlink(currentOwner(), file);
    return true;
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false;
    if (!isDiskFull(error)) throw error;
    throw new MlxError(
      'DISK_FULL',
      `The disk that holds ${dirname(file)} is full: nobody can be told that this is under way.`,
      {
        hint: 'Free some space (mlx gc shows what no run needs), then repeat.',
        cause: error,
      },
    );
  }
}

/** Two may find the same dead lock: what is moved away is looked at again, and put back if it is the other's new one. */
async function dropDeadLock(file: string, dead: string): Promise<void> {
  const moved = `${file}.${randomUUID()}`;
  try {
    await rename(file, moved);
    if ((await readOwner(moved)) !== dead) await link(moved, file);
  } catch (error) {
    if (errorCode(error) !== 'ENOENT' && errorCode(error) !== 'EEXIST') throw error;
  } finally {
    await rm(moved, { force: true });
  }
}

/** What a link of `symlinkOwner` leads to is never a file: reading through it finds none. */
async function readOwner(file: string): Promise<string | undefined> {
  return (await orGone(readFile(file, 'utf8'))) ?? (await orGone(readlink(file)));
}

async function orGone(reading: Promise<string>): Promise<string | undefined> {
  try {
    return await reading;
  } catch (error) {
    // EINVAL: a lock that is a file came meanwhile; the next look reads it.
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'EINVAL') return undefined;
    throw error;
  }
}
