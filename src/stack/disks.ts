// How much room is left where a project and MLX_HOME lie: two calls to the system for each, no matter what lies there.
import { stat, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';

import { errorCode } from '../errors.js';

export type Disk = {
  /** Those of the folders that lie on it. */
  folders: string[];
  freeBytes: number;
  sizeBytes: number;
  /** Nearly full. */
  low: boolean;
};

type Space = { bavail: number; blocks: number; bsize: number; dev: number };

const gib = 2 ** 30;
/** What one training and its version may take at any time. */
const leastBytes = 5 * gib;
/** A twentieth of a large disk is plenty: up to here it is not. */
const share = { ofDisk: 0.05, atMostBytes: 50 * gib };

/** A disk that cannot be asked is left out: it says nothing of what runs. */
export async function disksOf(
  folders: readonly string[],
  ask: (folder: string) => Promise<Space> = askSystem,
): Promise<Disk[]> {
  const found = await Promise.all(folders.map(async (folder) => ({ folder, space: await spaceOf(folder, ask) })));
  const disks = new Map<number, Disk>();
  for (const { folder, space } of found) {
    if (!space) continue;
    const [freeBytes, sizeBytes] = [space.bavail * space.bsize, space.blocks * space.bsize];
    const disk = disks.get(space.dev) ?? { folders: [], freeBytes, sizeBytes, low: isLow(freeBytes, sizeBytes) };
    disks.set(space.dev, { ...disk, folders: [...disk.folders, folder] });
  }
  return [...disks.values()];
}

async function askSystem(folder: string): Promise<Space> {
  const [{ bavail, blocks, bsize }, { dev }] = await Promise.all([statfs(folder), stat(folder)]);
  return { bavail, blocks, bsize, dev };
}

function isLow(freeBytes: number, sizeBytes: number): boolean {
  return freeBytes < Math.max(leastBytes, Math.min(share.ofDisk * sizeBytes, share.atMostBytes));
}

/** MLX_HOME may not be there yet: then of the folder that it will lie in. */
async function spaceOf(folder: string, ask: (folder: string) => Promise<Space>): Promise<Space | undefined> {
  try {
    return await ask(folder);
  } catch (error) {
    const parent = dirname(folder);
    return errorCode(error) === 'ENOENT' && parent !== folder ? spaceOf(parent, ask) : undefined;
  }
}
