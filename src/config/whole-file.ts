// Writes a small file so that readers see the old one or the new one, never half of one.
import { randomUUID } from 'node:crypto';
import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

export type WholeFileOptions = {
  /** Survives a power cut once this returns. */
  sync?: boolean;
  mode?: number;
};

/** The name beside it is this writer's alone: two at once do not write into each other's half. */
export function writeWhole(
  file: string,
  contents: string | Uint8Array,
  { sync = false, mode = 0o600 }: WholeFileOptions = {},
): void {
  const partial = `${file}.${randomUUID()}.partial`;
  try {
    writeNew(partial, contents, mode, sync);
    renameSync(partial, file);
  } catch (error) {
    rmSync(partial, { force: true });
    throw error;
  }
  if (sync) syncFolder(dirname(file));
}

function writeNew(file: string, contents: string | Uint8Array, mode: number, sync: boolean): void {
  const descriptor = openSync(file, 'wx', mode);
  try {
    writeFileSync(descriptor, contents);
    if (sync) fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** So that a name in it survives a power cut too. */
export function syncFolder(folder: string): void {
  const descriptor = openSync(folder, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
