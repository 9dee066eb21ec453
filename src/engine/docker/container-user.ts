// The unprivileged user that a container runs as, and how it gets at the folders that it is given.
import { lchownSync, readdirSync, statSync } from 'node:fs';
import { access, chmod, constants, lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';

import { MlxError } from '../../errors.js';
import type { Mount } from '../engine.js';
import { engineInformation, type Connection } from './connection.js';

export type ContainerUser = { uid: number; gid: number };

/** A user of no account, for when mlx itself is root: a container never is. */
export const nobody: ContainerUser = { uid: 10_001, gid: 10_001 };

/** Whom a container runs as, so that what it writes belongs to the person. */
export async function containerUser(connection: Connection): Promise<ContainerUser> {
  const { SecurityOptions: options = [] } = await engineInformation(connection);
  return userFor({ uid: process.getuid?.(), gid: process.getgid?.() }, options.includes('name=rootless'));
}

/** Pure. In a rootless Engine the user 0 of a container is the invoking user, and any other is a stranger to the files. */
export function userFor(
  invoking: { uid: number | undefined; gid: number | undefined },
  rootless: boolean,
): ContainerUser {
  const { uid, gid } = invoking;
  if (uid === undefined || gid === undefined || uid === 0) return nobody;
  return rootless ? { uid: 0, gid: 0 } : { uid, gid };
}

export function userVariables(user: ContainerUser): { MLX_UID: string; MLX_GID: string } {
  return { MLX_UID: String(user.uid), MLX_GID: String(user.gid) };
}

/**
 * Lets the container's user read its read-only mounts and write its writable ones. Only root has to do anything for that.
 * @param ownFolders folders in which mlx may open up what is too private (the project's .mlx, MLX_HOME)
 * @returns what gives the writable ones back to their owners afterwards
 */
export async function lendMounts(mounts: Mount[], user: ContainerUser, ownFolders: string[]): Promise<() => void> {
  if (process.getuid?.() !== 0) return () => undefined;
  for (const mount of mounts.filter(({ writable }) => !writable))
    await openForReading(mount.source, mount.source, ownFolders);
  const lent = mounts
    .filter(({ writable }) => writable)
    .map(({ source }) => ({ source, owner: statSync(source) }))
    .filter(({ owner }) => owner.uid !== user.uid || owner.gid !== user.gid);
  for (const { source } of lent) chownBelow(source, user);
  return () => {
    for (const { source, owner } of lent) chownBelow(source, owner);
  };
}

export function chownBelow(path: string, owner: { uid: number; gid: number }): void {
  lchownSync(path, owner.uid, owner.gid);
  if (!statSync(path).isDirectory()) return;
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    const below = join(path, entry.name);
    if (entry.isDirectory()) chownBelow(below, owner);
    else lchownSync(below, owner.uid, owner.gid);
  }
}

async function openForReading(path: string, mounted: string, ownFolders: string[]): Promise<void> {
  const entry = await lstat(path);
  if (entry.isSymbolicLink()) return;
  const needed = entry.isDirectory() ? 0o005 : 0o004;
  if ((entry.mode & needed) !== needed) {
    if (!ownFolders.some((folder) => path === folder || path.startsWith(`${folder}/`))) throw unreadable(path, mounted);
    await chmod(path, (entry.mode & 0o777) | needed);
  }
  if (entry.isDirectory()) {
    for (const name of await readdir(path)) await openForReading(join(path, name), mounted, ownFolders);
  }
}

function unreadable(path: string, mounted: string): MlxError {
  return new MlxError('MOUNT_UNREADABLE', `A container, which never runs as root, may not read ${path}.`, {
    hint: `Let others read it: chmod -R o+rX ${mounted}`,
  });
}

/** @throws MlxError FILE_NOT_FOUND rather than let Docker make an empty folder of root's */
export async function checkMount(mount: Mount): Promise<void> {
  try {
    await access(mount.source, constants.F_OK);
  } catch (cause) {
    throw new MlxError('FILE_NOT_FOUND', `There is no ${mount.source}, which a job needs as ${mount.name}.`, {
      cause,
      hint: 'Put it back, or see what is missing: mlx doctor',
    });
  }
}
