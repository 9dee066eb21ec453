// .mlx/captures: rows go into a journal first and from there into Parquet files, each row exactly once whatever is killed when.
import { randomBytes } from 'node:crypto';
import { existsSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';

import {
  forgetWaitingBefore,
  lockCaptures,
  openCaptureJournal,
  readWaiting,
  type CaptureJournal,
} from '../ledger/captures.js';
import { parquetFiles, readParquet, removePartials, writeParquet } from './parquet.js';
import { captureSchema, rowName, type CaptureRow } from './row.js';

/** A file holds about so much text, or what came within an hour. */
const fileBytes = 8 * 1024 * 1024;
const fileAgeMs = 3_600_000;
/** A command waits so long for the gateway to be done with its files. */
export const lockWaitMs = 10_000;

/**
 * Moves rows from the journal into Parquet files when there are enough of them, and first whatever an earlier process began.
 * A row leaves the journal after its file was synced; a file that is written twice is the same file.
 * @param all also when there are few or young ones
 * @returns false: another process is at it
 */
export async function rotateCaptures(
  folder: string,
  journal: CaptureJournal,
  nowMs: number,
  all: boolean,
): Promise<boolean> {
  if (!all && !isDue(journal, nowMs) && journal.assigned().length === 0) return true;
  const unlock = lockCaptures(lockFile(folder), 0);
  if (!unlock) return false;
  try {
    await removePartials(folder);
    for (const file of journal.assigned()) await settleFile(folder, journal, file);
    while (all ? journal.waiting().bytes > 0 : isDue(journal, nowMs)) {
      const { oldestMs } = journal.waiting();
      const file = fileName(oldestMs ?? nowMs, nowMs);
      journal.assign(file, fileBytes);
      await settleFile(folder, journal, file);
    }
  } finally {
    unlock();
  }
  return true;
}

/** Every captured row once: those of the files, oldest first, then those that wait. */
export async function* readCaptures(folder: string): AsyncGenerator<CaptureRow> {
  // Read before the files are listed: a row that moves meanwhile is met twice, and never missed.
  const waiting = readWaiting(journalFile(folder)).map((row) => captureSchema.parse(JSON.parse(row)));
  const known = new Set(waiting.map(rowName));
  for (const file of await parquetFiles(folder)) {
    for await (const row of readParquet(file)) if (!known.has(rowName(row))) yield row;
  }
  yield* waiting;
}

/** @returns the files whose newest row is older */
export async function expiredFiles(folder: string, beforeMs: number): Promise<string[]> {
  return (await parquetFiles(folder)).filter((file) => newestMs(file) < beforeMs);
}

/**
 * Old files, and old rows of the journal.
 * @param journal undefined: there is none
 * @param waitMs for another process that is at it
 * @returns false: it still is
 */
export async function forgetOldCaptures(
  folder: string,
  journal: CaptureJournal | undefined,
  beforeMs: number,
  waitMs = 0,
): Promise<boolean> {
  const unlock = lockCaptures(lockFile(folder), waitMs);
  if (!unlock) return false;
  try {
    if (journal) forgetWaitingBefore(journal, beforeMs);
    for (const file of await expiredFiles(folder, beforeMs)) rmSync(file, { force: true });
    return true;
  } finally {
    unlock();
  }
}

/** For a command, which has no journal open. @returns false: another process has worked there for more than 10 s */
export async function expireCaptures(folder: string, beforeMs: number): Promise<boolean> {
  const file = journalFile(folder);
  const journal = existsSync(file) ? openCaptureJournal(file) : undefined;
  try {
    return await forgetOldCaptures(folder, journal, beforeMs, lockWaitMs);
  } finally {
    journal?.close();
  }
}

export function journalFile(folder: string): string {
  return join(folder, 'waiting.db');
}

export function lockFile(folder: string): string {
  return join(folder, 'lock.db');
}

async function settleFile(folder: string, journal: CaptureJournal, name: string): Promise<void> {
  const rows = journal.rowsOf(name).map((row) => captureSchema.parse(JSON.parse(row)));
  await writeParquet(join(folder, basename(name)), rows);
  journal.release(name);
}

function isDue(journal: CaptureJournal, nowMs: number): boolean {
  const { bytes, oldestMs } = journal.waiting();
  return bytes >= fileBytes || (oldestMs !== null && nowMs - oldestMs >= fileAgeMs);
}

/** `20261121T081422Z-20261121T091422Z-1f0c.parquet`: from the oldest row to no later than. */
function fileName(oldestMs: number, nowMs: number): string {
  const [from, to] = [oldestMs, nowMs].map((ms) => new Date(ms).toISOString().replaceAll(/[-:]|\.\d+/g, ''));
  return `${from ?? ''}-${to ?? ''}-${randomBytes(4).toString('hex')}.parquet`;
}

function newestMs(file: string): number {
  const [, day, hour, minute, second] = /-(\d{8})T(\d\d)(\d\d)(\d\d)Z-\w+\.parquet$/.exec(basename(file)) ?? [];
  if (day === undefined) return Infinity;
  const date = `${day.slice(0, 4)}-${day.slice(4, 6)}-${day.slice(6)}`;
  return Date.parse(`${date}T${hour ?? ''}:${minute ?? ''}:${second ?? ''}Z`) + 999;
}
