// Copies of the ledger by SQLite's own backup, never by reading the live file: an fd that fs closes drops SQLite's locks
// (https://www.sqlite.org/howtocorrupt.html, section 2.2).
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';

import Database from 'better-sqlite3';

import { MlxError } from '../errors.js';
import type { Ledger } from './open.js';

export type Backup = { file: string; sizeBytes: number; madeAtMs: number };

/** Copy, integrity check, fsync, rename: a backup that has its final name is whole. Writers go on meanwhile. */
export async function backUpLedger(ledger: Ledger, folder: string, now: Date): Promise<Backup> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const stamp = now.toISOString().replaceAll(/[:.]/g, '-');
  const file = join(folder, `ledger-${stamp}.db`);
  const partial = `${file}.partial`;
  await ledger.database.backup(partial);
  leaveWal(partial);
  checkCopy(partial);
  sync(partial);
  renameSync(partial, file);
  sync(folder);
  return describe(file);
}

/** Newest first. */
export function listBackups(folder: string): Backup[] {
  if (!existsSync(folder)) return [];
  const files = readdirSync(folder).filter((name) => name.startsWith('ledger-') && name.endsWith('.db'));
  return files
    .map((name) => describe(join(folder, name)))
    .sort((left, right) => right.madeAtMs - left.madeAtMs || right.file.localeCompare(left.file));
}

/** The newest copy that passes the integrity check, for the error text of a corrupt ledger. */
export function newestGoodBackup(folder: string): Backup | undefined {
  return listBackups(folder).find(({ file }) => isWhole(file));
}

/**
 * Puts a copy in the place of the ledger. What was there is kept beside it as `FILE.replaced-TIME`.
 * @throws MlxError BACKUP_UNREADABLE, BUSY while another process has the ledger open for writing
 */
export async function restoreLedger(
  ledgerFile: string,
  backupFile: string,
  now: Date,
): Promise<{ replaced: string | undefined }> {
  if (!existsSync(backupFile))
    throw new MlxError('NOT_FOUND', `There is no file ${backupFile}.`, { hint: 'See the copies: mlx backup --list' });
  const partial = `${ledgerFile}.restoring`;
  rmSync(partial, { force: true });
  checkCopy(backupFile);
  const source = new Database(backupFile, { readonly: true });
  await source.backup(partial);
  source.close();
  checkCopy(partial);
  sync(partial);
  const replaced = existsSync(ledgerFile) ? setAside(ledgerFile, now) : undefined;
  renameSync(partial, ledgerFile);
  sync(dirname(ledgerFile));
  return { replaced };
}

/** The log and the shared memory of the old file must never meet the new one: they move with it. */
function setAside(ledgerFile: string, now: Date): string {
  const replaced = `${ledgerFile}.replaced-${now.toISOString().replaceAll(/[:.]/g, '-')}`;
  for (const suffix of ['-wal', '-shm', '']) {
    if (existsSync(`${ledgerFile}${suffix}`)) renameSync(`${ledgerFile}${suffix}`, `${replaced}${suffix}`);
  }
  return replaced;
}

/** A copy is one file that lies still: in WAL mode even reading it would put two more beside it. */
function leaveWal(file: string): void {
  const copy = new Database(file);
  copy.pragma('journal_mode = DELETE');
  copy.close();
}

function checkCopy(file: string): void {
  if (isWhole(file)) return;
  throw new MlxError('BACKUP_UNREADABLE', `${basename(file)} is not a whole copy of a ledger.`, {
    hint: 'Choose another one: mlx backup --list',
  });
}

function isWhole(file: string): boolean {
  try {
    const copy = new Database(file, { readonly: true, fileMustExist: true });
    try {
      return (
        copy.pragma('integrity_check', { simple: true }) === 'ok' &&
        Number(copy.pragma('user_version', { simple: true })) > 0
      );
    } finally {
      copy.close();
    }
  } catch {
    return false;
  }
}

function sync(path: string): void {
  const descriptor = openSync(path, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

function describe(file: string): Backup {
  const { size, mtimeMs } = statSync(file);
  return { file, sizeBytes: size, madeAtMs: Math.round(mtimeMs) };
}
