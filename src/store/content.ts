// Files by their SHA-256 under .mlx/store: the rows and the weights of runs, each once, whoever names them.
// Hard links where the disk allows, so that what a run keeps anyway takes no room twice.
import { copyFile, link, mkdir, rename, rm } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

import { errorCode } from '../errors.js';
import { hashFile } from './hash-file.js';

/** `sha256` is the file's own, just computed. What is there already stays. */
export async function keepContent(store: string, file: string, sha256: string): Promise<void> {
  const place = contentFile(store, sha256);
  if (existsSync(place)) return;
  await mkdir(dirname(place), { recursive: true, mode: 0o700 });
  const partial = `${place}.${process.pid}.partial`;
  await rm(partial, { force: true });
  await linkOrCopy(file, partial);
  await rename(partial, place);
}

/** Verified on every use: a link shares its bytes with a run's folder, where somebody may have changed them. */
export async function findContent(store: string, sha256: string): Promise<string | undefined> {
  const place = contentFile(store, sha256);
  if (!existsSync(place)) return undefined;
  return (await hashFile(place)) === sha256 ? place : undefined;
}

export function contentFile(store: string, sha256: string): string {
  return join(store, sha256.slice(0, 2), sha256);
}

/** Another disk, a file system without links, or a file of another user (a container's) under protected_hardlinks. */
async function linkOrCopy(file: string, target: string): Promise<void> {
  try {
    await link(file, target);
  } catch (error) {
    if (!['EXDEV', 'EPERM', 'EMLINK', 'ENOTSUP', 'ENOSYS'].includes(errorCode(error) ?? '')) throw error;
    await copyFile(file, target);
  }
}
