// Writes the files of a new project: none when one would be overwritten unasked, and each whole or not at all.
import { existsSync, statSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import { errorCode, isDiskFull, MlxError } from '../errors.js';
import type { ProjectFile } from './project-template.js';
import { writeWhole } from './whole-file.js';

export type WrittenProject = { written: string[]; replaced: string[] };

export type WriteOptions = {
  force: boolean;
  dryRun: boolean;
  /** What a person types to replace the files in the way. */
  again: string;
};

/** @throws MlxError FILE_EXISTS with every file in the way, NOT_WRITABLE, DISK_FULL */
export async function writeProject(
  folder: string,
  files: readonly ProjectFile[],
  { force, dryRun, again }: WriteOptions,
): Promise<WrittenProject> {
  refuseNonFolder(folder);
  const isThere = (file: ProjectFile): boolean => existsSync(join(folder, file.path));
  // What mlx keeps is never touched, whatever is forced.
  const wanted = files.filter((file) => !(file.path.startsWith('.mlx') && isThere(file)));
  const replaced = wanted.filter(isThere);
  if (replaced.length > 0 && !force) throw filesExist(folder, replaced, again);
  const blocked = replaced.filter((file) => !statSync(join(folder, file.path)).isFile());
  if (blocked.length > 0) throw filesExist(folder, blocked, undefined);
  if (!dryRun) await writeAll(folder, wanted, new Set(replaced));
  return {
    written: wanted.filter((file) => !replaced.includes(file)).map((file) => file.path),
    replaced: replaced.map((file) => file.path),
  };
}

function refuseNonFolder(folder: string): void {
  if (!existsSync(folder) || statSync(folder).isDirectory()) return;
  throw new MlxError('FILE_EXISTS', `${folder} is a file, not a folder.`, {
    hint: 'Name another folder: mlx init NAME',
  });
}

function filesExist(folder: string, files: readonly ProjectFile[], again: string | undefined): MlxError {
  const count = files.length === 1 ? 'one file is' : `${files.length} files are`;
  return new MlxError('FILE_EXISTS', `Nothing was written to ${folder}: ${count} in the way.`, {
    problems: files.map((file) => ({ file: file.path, message: again === undefined ? 'is a folder' : 'exists' })),
    hint: again === undefined ? 'Move it away first.' : `Choose another folder, or replace these files: ${again}`,
  });
}

/** When one cannot be written, the new ones before it go again; replaced ones are swapped in whole. */
async function writeAll(
  folder: string,
  files: readonly ProjectFile[],
  replaced: ReadonlySet<ProjectFile>,
): Promise<void> {
  const added: string[] = [];
  const folders: string[] = [];
  try {
    for (const file of files) {
      const target = join(folder, file.path);
      const isPrivate = file.path.startsWith('.mlx');
      const made = await mkdir(dirname(target), { recursive: true, ...(isPrivate ? { mode: 0o700 } : {}) });
      if (made !== undefined) folders.push(made);
      if (!replaced.has(file)) added.push(target);
      // A project's files are for everybody whom the person's umask lets in.
      writeWhole(target, file.contents, { mode: 0o666 });
    }
  } catch (error) {
    await Promise.all(added.map((path) => rm(path, { force: true }).catch(() => undefined)));
    // The uppermost folder of each that was made; nothing but our own files was ever in it.
    await Promise.all(folders.map((path) => rm(path, { recursive: true, force: true }).catch(() => undefined)));
    throw writeError(folder, error);
  }
}

function writeError(folder: string, error: unknown): unknown {
  const code = errorCode(error) ?? '';
  if (isDiskFull(error)) {
    return new MlxError('DISK_FULL', `The disk that holds ${folder} is full; nothing new was kept.`, {
      cause: error,
      hint: 'Free some space, then repeat the command.',
    });
  }
  if (!['EACCES', 'EPERM', 'EROFS', 'ENOTDIR'].includes(code)) return error;
  return new MlxError('NOT_WRITABLE', `Files cannot be written to ${folder} (${code}); nothing new was kept.`, {
    cause: error,
    hint: 'Choose a folder of your own: mlx init NAME',
  });
}
