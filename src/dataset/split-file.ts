// One split on disk: written beside its place, hashed while written, and moved into place only when all is well.
import { createHash } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';

import { isDiskFull, MlxError } from '../errors.js';
import type { RowRecord } from './row-hashes.js';

export type SplitFile = {
  /** Where the rows lie until `keep`. */
  partial: string;
  rows: () => RowRecord[];
  add: (line: string, file: string, lineNumber: number) => Promise<void>;
  /** Writes what is left and closes; @returns the file's SHA-256 */
  end: () => Promise<string>;
  /** Moves the ended file into place. */
  keep: () => Promise<void>;
  discard: () => Promise<void>;
};

const bufferedCharacters = 1024 * 1024;

/** @throws MlxError DISK_FULL when the disk is full, here and later */
export async function createSplitFile(file: string): Promise<SplitFile> {
  const partial = `${file}.partial`;
  const target = await open(partial, 'w', 0o600);
  const hash = createHash('sha256');
  let waiting: string[] = [];
  let waitingCharacters = 0;
  const rows: RowRecord[] = [];
  const flush = async (): Promise<void> => {
    const text = waiting.join('');
    waiting = [];
    waitingCharacters = 0;
    hash.update(text);
    await onDisk(file, () => target.writeFile(text));
  };
  return {
    partial,
    rows: () => rows,
    add: async (line, sourceFile, lineNumber) => {
      rows.push({ sha256: createHash('sha256').update(line).digest('hex'), file: sourceFile, line: lineNumber });
      waiting.push(line, '\n');
      waitingCharacters += line.length + 1;
      if (waitingCharacters >= bufferedCharacters) await flush();
    },
    end: async () => {
      await flush();
      await target.close();
      return hash.digest('hex');
    },
    keep: () => rename(partial, file),
    discard: async () => {
      await target.close();
      await rm(partial, { force: true });
    },
  };
}

async function onDisk(file: string, write: () => Promise<void>): Promise<void> {
  try {
    await write();
  } catch (error) {
    if (!isDiskFull(error)) throw error;
    throw new MlxError('DISK_FULL', `The disk is full: ${file} could not be written, and nothing was kept.`, {
      cause: error,
      hint: 'Free some space (mlx doctor shows how much), then run the command again.',
    });
  }
}
