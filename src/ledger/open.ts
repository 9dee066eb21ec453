// Opens the ledger: SQLite with the settings that make an acknowledged row survive a power cut.
// Source of the settings: https://www.sqlite.org/pragma.html#pragma_synchronous and https://www.sqlite.org/wal.html
import { existsSync, mkdirSync, statfsSync } from 'node:fs';
import { dirname, join } from 'node:path';

import Database from 'better-sqlite3';

import { errorCode, MlxError } from '../errors.js';
import { newestGoodBackup } from './backup.js';
import { migrateLedger } from './migrations.js';

export type Ledger = { database: Database.Database; file: string; close: () => void };

/** 3.51.3 mends a rare corruption when several connections write and checkpoint a WAL at the same time. */
const oldestSqlite = [3, 51, 3] as const;

/** @throws MlxError LEDGER_CORRUPT, LEDGER_NEWER, BUSY, DISK_FULL */
export function openLedger(file: string): Ledger {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  try {
    const database = new Database(file, { timeout: 10_000 });
    database.pragma('journal_mode = WAL');
    database.pragma('synchronous = FULL');
    database.pragma('foreign_keys = ON');
    checkSqliteVersion(database);
    migrateLedger(database, file);
    return { database, file, close: () => database.close() };
  } catch (error) {
    throw wrapSqliteError(error, file);
  }
}

/** For the gateway, which must never hold up, or change, a ledger. @returns undefined while there is no ledger yet */
export function openLedgerForReading(file: string): Ledger | undefined {
  if (!existsSync(file)) return undefined;
  try {
    const database = new Database(file, { timeout: 10_000, readonly: true });
    return { database, file, close: () => database.close() };
  } catch (error) {
    throw wrapSqliteError(error, file);
  }
}

/** Every write goes through here: the write lock is taken at the start, so that two commands queue instead of failing half-way. */
export function write<Result>(ledger: Ledger, work: () => Result): Result {
  try {
    return ledger.database.transaction(work).immediate();
  } catch (error) {
    throw wrapSqliteError(error, ledger.file);
  }
}

function checkSqliteVersion(database: Database.Database): void {
  const version = String(database.prepare('SELECT sqlite_version()').pluck().get());
  const parts = version.split('.').map(Number);
  for (const [index, least] of oldestSqlite.entries()) {
    const part = parts[index] ?? 0;
    if (part > least) return;
    if (part < least) {
      throw new MlxError('SQLITE_TOO_OLD', `SQLite ${version} is older than ${oldestSqlite.join('.')}.`, {
        hint: 'Reinstall the packages: npm ci',
      });
    }
  }
}

export function wrapSqliteError(error: unknown, file: string): unknown {
  const code = errorCode(error) ?? '';
  if (code.startsWith('SQLITE_BUSY')) {
    return new MlxError('BUSY', `Another process has held ${file} for more than 10 s.`, {
      cause: error,
      hint: 'See who works in this project: mlx status',
    });
  }
  if (code === 'SQLITE_READONLY_DBMOVED') {
    return new MlxError('BUSY', `${file} was replaced by one of its copies at this moment.`, {
      cause: error,
      hint: 'Run the command again.',
    });
  }
  if (code === 'ERR_DLOPEN_FAILED' || code === 'MODULE_NOT_FOUND') {
    return new MlxError(
      'SQLITE_UNUSABLE',
      `SQLite's module was not built for this Node.js (${process.versions.node}).`,
      {
        cause: error,
        hint: 'In the folder of mlx: npm rebuild better-sqlite3 (or use the Node.js that it was installed with)',
      },
    );
  }
  // What a full disk is called where SQLite cannot write its journal or the shared memory beside it.
  if (code === 'SQLITE_FULL' || code === 'ENOSPC' || (code.startsWith('SQLITE_IOERR') && diskIsFull(file))) {
    return new MlxError('DISK_FULL', `The disk that holds ${file} is full; nothing was changed.`, {
      cause: error,
      hint: 'Free some space (mlx doctor shows how much), then run the command again.',
    });
  }
  if (code.startsWith('SQLITE_CORRUPT') || code === 'SQLITE_NOTADB') return corruptLedger(file, error);
  return error;
}

/** SQLite keeps the system's own error to itself. Less room than one page is what it failed for. */
function diskIsFull(file: string): boolean {
  const { bavail, bsize } = statfsSync(dirname(file));
  return bavail * bsize < 64 * 1024;
}

function corruptLedger(file: string, cause: unknown): MlxError {
  const backup = newestGoodBackup(join(dirname(file), 'backups'));
  const hint =
    backup === undefined
      ? `There is no copy. Move ${file} away and begin a new one, or try: sqlite3 ${file} .recover`
      : `Restore the newest good copy: mlx backup --restore ${backup.file}`;
  return new MlxError('LEDGER_CORRUPT', `${file} is not a readable ledger.`, { cause, hint });
}
