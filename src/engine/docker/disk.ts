// How full the disk is on which the Engine keeps its images, as far as this machine can see it (not inside a VM).
import { statfs } from 'node:fs/promises';

import { MlxError } from '../../errors.js';
import { engineInformation, type Connection } from './connection.js';

export type DiskWatch = { isFull: () => boolean; stop: () => void };

const fullBelowBytes = 64 * 2 ** 20;
const lookEveryMs = 500;

/** A failed step's files are deleted at once, so the lowest figure of the build counts, not the one afterwards. */
export async function diskWatch(connection: Connection): Promise<DiskWatch> {
  const folder = (await engineInformation(connection)).DockerRootDir;
  let lowestBytes = Number.POSITIVE_INFINITY;
  const look = async () => {
    lowestBytes = Math.min(lowestBytes, (await freeBytes(folder)) ?? lowestBytes);
  };
  const timer = setInterval(() => void look(), lookEveryMs);
  return { isFull: () => lowestBytes < fullBelowBytes, stop: () => clearInterval(timer) };
}

/** @throws MlxError DISK_FULL before a build that cannot fit, so that nobody waits for its failure */
export async function checkRoom(connection: Connection, title: string, neededGib: number): Promise<void> {
  const folder = (await engineInformation(connection)).DockerRootDir;
  const free = await freeBytes(folder);
  if (free === undefined || free >= neededGib * 2 ** 30) return;
  const freeGib = (free / 2 ** 30).toFixed(1);
  throw new MlxError(
    'DISK_FULL',
    `Building ${title} needs about ${neededGib} GiB in ${folder ?? ''}; ${freeGib} GiB are free.`,
    {
      hint: 'See what uses it: docker system df (then for example: docker builder prune)',
    },
  );
}

/** undefined when the Engine's folder is not on this machine. */
async function freeBytes(folder: string | undefined): Promise<number | undefined> {
  if (folder === undefined) return undefined;
  try {
    const { bavail, bsize } = await statfs(folder);
    return bavail * bsize;
  } catch {
    return undefined;
  }
}
