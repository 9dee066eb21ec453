// Writes a file of rows whole or not at all, and never over one that is there.
import { createWriteStream } from 'node:fs';
import { link, mkdir, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { pipeline } from 'node:stream/promises';

import { errorCode, MlxError } from '../errors.js';

/** @throws MlxError FILE_EXISTS; nothing is left behind then, nor when `lines` throws */
export async function writeNewFile(target: string, lines: AsyncIterable<string>): Promise<void> {
  const unfinished = `${target}.part-${process.pid}`;
  await mkdir(dirname(target), { recursive: true });
  try {
    await pipeline(lines, createWriteStream(unfinished, { flags: 'wx', mode: 0o600 }));
    // A link, not a rename: of a file that somebody made meanwhile nothing is lost.
    await link(unfinished, target);
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') throw error;
    throw new MlxError('FILE_EXISTS', `${target} is there already.`, {
      cause: error,
      hint: 'Name another: --out FILE',
    });
  } finally {
    await rm(unfinished, { force: true });
  }
}
