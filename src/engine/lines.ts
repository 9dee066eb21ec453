// Lines of a log file: its last ones, then those that are being added, also after the file was replaced.
import { open, stat } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';

import { errorCode } from '../errors.js';

export type LineOptions = { follow: boolean; lines: number; signal: AbortSignal };

/** Where reading stopped: always at the beginning of a line, so that a cut character is read again as a whole. */
type Position = { inode: number; byte: number };

const pollMs = 200;
const blockBytes = 64 * 1024;
const lineEnd = 10;

/** Oldest first. A file that is not there yet has no lines; with `follow` it is waited for. */
export async function* fileLines(file: string, options: LineOptions): AsyncGenerator<string> {
  const { lines, unfinished, position } = await readEnd(file, options.lines);
  yield* lines;
  if (options.follow) yield* addedLines(file, position, options.signal);
  else if (unfinished !== '') yield unfinished;
}

/** The last lines of a file as one text, for error messages. */
export async function lastText(file: string, count: number): Promise<string> {
  const { lines, unfinished } = await readEnd(file, count);
  return [...lines, unfinished].filter((line) => line !== '').join('\n');
}

async function* addedLines(file: string, start: Position, signal: AbortSignal): AsyncGenerator<string> {
  let position = start;
  while (!signal.aborted) {
    const found = await stat(file).catch(ignoreMissing);
    const replaced = found && (found.ino !== position.inode || found.size < position.byte);
    if (replaced) position = { inode: found.ino, byte: 0 };
    const added = found ? await readPart(file, position.byte, found.size) : Buffer.alloc(0);
    const complete = added.subarray(0, added.lastIndexOf(lineEnd) + 1);
    if (complete.length === 0) {
      await pause(pollMs, undefined, { signal }).catch(() => undefined);
      continue;
    }
    position = { ...position, byte: position.byte + complete.length };
    yield* complete.toString('utf8').slice(0, -1).split('\n');
  }
}

async function readEnd(
  file: string,
  count: number,
): Promise<{ lines: string[]; unfinished: string; position: Position }> {
  const found = await stat(file).catch(ignoreMissing);
  const size = found?.size ?? 0;
  let end = Buffer.alloc(0);
  for (let bytes = blockBytes; end.length < size && lineCount(end) <= count; bytes *= 4) {
    end = await readPart(file, Math.max(0, size - bytes), size);
  }
  const lastLineEnd = end.lastIndexOf(lineEnd) + 1;
  const lines = end.subarray(0, lastLineEnd).toString('utf8').split('\n').slice(0, -1);
  return {
    // A block may begin in the middle of a line; there are then more lines in it than wanted.
    lines: count === 0 ? [] : lines.slice(-count),
    unfinished: end.subarray(lastLineEnd).toString('utf8'),
    position: { inode: found?.ino ?? 0, byte: size - end.length + lastLineEnd },
  };
}

function lineCount(part: Buffer): number {
  return part.reduce((count, byte) => (byte === lineEnd ? count + 1 : count), 0);
}

async function readPart(file: string, first: number, end: number): Promise<Buffer<ArrayBuffer>> {
  const opened = await open(file, 'r');
  try {
    const part = Buffer.alloc(Math.max(0, end - first));
    const { bytesRead } = await opened.read(part, 0, part.length, first);
    return part.subarray(0, bytesRead);
  } finally {
    await opened.close();
  }
}

function ignoreMissing(error: unknown): undefined {
  if (errorCode(error) !== 'ENOENT') throw error;
}
