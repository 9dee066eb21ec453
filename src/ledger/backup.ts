// Copies of the ledger by SQLite's own backup, never by reading the live file: an fd that fs closes drops SQLite's locks
// (https://www.sqlite.org/howtocorrupt.html, section 2.2).
import {
  closeSync,
  copyFileSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';

import Database from 'better-sqlite3';

import { errorCode, MlxError } from '../errors.js';
import type { Ledger } from './open.js';

export type Backup = { file: string; sizeBytes: number; madeAtMs: number };

/** A backup that has its final name is whole. Writers go on meanwhile. */
export async function backUpLedger(ledger: Ledger, folder: string, now: Date): Promise<Backup> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const file = join(folder, `ledger-${stampOf(now)}.db`);
  const partial = `${file}.partial`;
  await ledger.database.backup(partial);
  placeCopy(partial, file);
  return describe(file);
}

/** Before a migration, of a database of any name: `ledger.db` with schema 3 becomes `backups/ledger-v3-TIME.db`. */
export function keepBeforeMigration(database: Database.Database, file: string, schema: number): void {
  const folder = join(dirname(file), 'backups');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  // Two processes may want to migrate at the same moment.
  const copy = join(folder, `${basename(file, '.db')}-v${schema}-${stampOf(new Date())}-${process.pid}.db`);
  const partial = `${copy}.partial`;
  rmSync(partial, { force: true });
  database.prepare('VACUUM INTO ?').run(partial);
  placeCopy(partial, copy);
}

/** Integrity check, fsync, rename. */
function placeCopy(partial: string, file: string): void {
  leaveWal(partial);
  checkCopy(partial);
  sync(partial);
  renameSync(partial, file);
  sync(dirname(file));
}

function stampOf(time: Date): string {
  return time.toISOString().replaceAll(/[:.]/g, '-');
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
 * Puts a copy in the place of the ledger, in one rename. What was there is kept beside it as `FILE.replaced-TIME`.
 * @throws MlxError BACKUP_UNREADABLE, BUSY while another process has the ledger open
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
  await copyTo(backupFile, partial);
  if (!existsSync(ledgerFile)) {
    putInPlace(partial, ledgerFile);
    return { replaced: undefined };
  }
  const replaced = `${ledgerFile}.replaced-${stampOf(now)}`;
  const alone = openAlone(ledgerFile);
  try {
    if (alone) await alone.backup(replaced);
    else setUnreadableAside(ledgerFile, replaced);
    sync(replaced);
    putInPlace(partial, ledgerFile);
  } finally {
    // Until here nobody else could open the old file, and write rows into what is no longer the ledger.
    alone?.close();
  }
  return { replaced };
}

async function copyTo(backupFile: string, partial: string): Promise<void> {
  const source = new Database(backupFile, { readonly: true });
  try {
    await source.backup(partial);
  } finally {
    source.close();
  }
  leaveWal(partial);
  checkCopy(partial);
  sync(partial);
}

function putInPlace(partial: string, ledgerFile: string): void {
  renameSync(partial, ledgerFile);
  sync(dirname(ledgerFile));
}

/**
 * Leaving WAL mode moves every committed row into the one file, and works for the only connection alone.
 * @returns undefined when the file is no readable database
 */
function openAlone(ledgerFile: string): Database.Database | undefined {
  if (!hasSqliteHeader(ledgerFile)) return undefined;
  const database = new Database(ledgerFile, { timeout: 1000 });
  try {
    database.pragma('journal_mode = DELETE');
    database.pragma('locking_mode = EXCLUSIVE');
    database.exec('BEGIN EXCLUSIVE; COMMIT');
    return database;
  } catch (error) {
    database.close();
    const code = errorCode(error) ?? '';
    if (code.startsWith('SQLITE_CORRUPT') || code === 'SQLITE_NOTADB') return undefined;
    if (!code.startsWith('SQLITE_BUSY')) throw error;
    throw new MlxError('BUSY', `Another process has ${ledgerFile} open; nothing was changed.`, {
      cause: error,
      hint: 'See who works in this project: mlx status (the gateway ends with: mlx gateway stop), then repeat this.',
    });
  }
}

/** Asked before SQLite opens it, which would delete the log of a file that is no database. */
function hasSqliteHeader(file: string): boolean {
  const header = Buffer.from('SQLite format 3\0');
  const found = Buffer.alloc(header.length);
  const descriptor = openSync(file, 'r');
  try {
    readSync(descriptor, found);
  } finally {
    closeSync(descriptor);
  }
  return found.equals(header);
}

/** Copied first, removed afterwards: the log of the old file must never meet the new one. */
function setUnreadableAside(ledgerFile: string, replaced: string): void {
  const logs = ['-wal', '-shm'].filter((suffix) => existsSync(`${ledgerFile}${suffix}`));
  for (const suffix of ['', ...logs]) copyFileSync(`${ledgerFile}${suffix}`, `${replaced}${suffix}`);
  for (const suffix of logs) rmSync(`${ledgerFile}${suffix}`);
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
  return { file, sizeBytes: size, madeAtMs: stampedAtMs(file) ?? Math.round(mtimeMs) };
}

/** Its name tells when it was made, also after somebody has copied it. */
function stampedAtMs(file: string): number | undefined {
  const stamp = /(\d{4}-\d\d-\d\d)T(\d\d)-(\d\d)-(\d\d)-(\d{3})Z\.db$/.exec(basename(file));
  if (stamp === null) return undefined;
  const [, day = '', hours = '', minutes = '', seconds = '', milliseconds = ''] = stamp;
  const atMs = Date.parse(`${day}T${hours}:${minutes}:${seconds}.${milliseconds}Z`);
  return Number.isNaN(atMs) ? undefined : atMs;
}
