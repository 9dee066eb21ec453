// The journal of captured rows that are in no Parquet file yet, .mlx/captures/waiting.db. What was inserted survives a kill;
// several gateway processes write into one journal. And the lock for whoever changes the files beside it.
import { chmodSync, existsSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';

import Database from 'better-sqlite3';

import { migrate } from './migrations.js';
import { wrapSqliteError } from './open.js';

/** `row` is JSON; the other fields are what the journal itself asks for. */
export type WaitingRow = { atMs: number; tenant: string | null; row: string };

export type CaptureJournal = {
  database: Database.Database;
  insert: (rows: readonly WaitingRow[]) => void;
  /** Bytes and the oldest row of what is in no file yet. */
  waiting: () => { bytes: number; oldestMs: number | null };
  /** From now on the oldest rows, up to so many bytes, belong to this file; they stay here until it is there. */
  assign: (file: string, limitBytes: number) => void;
  /** Files that rows were assigned to, and that may be there or not. */
  assigned: () => string[];
  rowsOf: (file: string) => string[];
  /** The file is there. */
  release: (file: string) => void;
  close: () => void;
};

/** A deleted row's text is overwritten: who asked to be forgotten must not be found in the free pages. */
const steps = [
  `CREATE TABLE waiting (
    id INTEGER PRIMARY KEY,
    at_ms INTEGER NOT NULL,
    tenant TEXT,
    bytes INTEGER NOT NULL,
    file TEXT,
    row TEXT NOT NULL
  ) STRICT;
  CREATE INDEX waiting_by_file ON waiting (file);`,
];

/** @throws MlxError DISK_FULL, BUSY */
export function openCaptureJournal(file: string): CaptureJournal {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  try {
    const database = new Database(file, { timeout: 2_000 });
    // The log of changes beside it gets the same mode.
    chmodSync(file, 0o600);
    database.pragma('journal_mode = WAL');
    database.pragma('synchronous = NORMAL');
    database.pragma('secure_delete = ON');
    migrate(database, file, steps);
    return { database, ...statements(database, file), close: () => database.close() };
  } catch (error) {
    throw wrapSqliteError(error, file);
  }
}

/** Rows of no file, or of any: for commands. @returns nothing while nothing was ever captured */
export function readWaiting(file: string): string[] {
  if (!existsSync(file)) return [];
  const journal = openCaptureJournal(file);
  try {
    return journal.database.prepare('SELECT row FROM waiting ORDER BY id').pluck().all() as string[];
  } finally {
    journal.close();
  }
}

/** @returns how many there were */
export function forgetWaiting({ database }: CaptureJournal, tenant: string): number {
  const { changes } = database.prepare('DELETE FROM waiting WHERE tenant = ?').run(tenant);
  // What was deleted stands in the log of changes until that is emptied.
  database.pragma('wal_checkpoint(TRUNCATE)');
  return changes;
}

export function forgetWaitingBefore({ database }: CaptureJournal, beforeMs: number): number {
  return database.prepare('DELETE FROM waiting WHERE at_ms < ?').run(beforeMs).changes;
}

/** Held by one at a time, and let go by the system when its holder dies. @returns undefined when it is held for so long */
export function lockCaptures(file: string, waitMs: number): (() => void) | undefined {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const database = new Database(file, { timeout: waitMs });
  chmodSync(file, 0o600);
  try {
    database.exec('BEGIN EXCLUSIVE');
    return () => database.close();
  } catch (error) {
    database.close();
    if (error instanceof Database.SqliteError && error.code === 'SQLITE_BUSY') return undefined;
    throw wrapSqliteError(error, file);
  }
}

function statements(database: Database.Database, file: string): Omit<CaptureJournal, 'database' | 'close'> {
  const add = database.prepare('INSERT INTO waiting (at_ms, tenant, bytes, row) VALUES (?, ?, ?, ?)');
  const addAll = database.transaction((rows: readonly WaitingRow[]) => {
    for (const { atMs, tenant, row } of rows) add.run(atMs, tenant, Buffer.byteLength(row), row);
  });
  const measure = database.prepare(
    'SELECT COALESCE(SUM(bytes), 0) AS bytes, MIN(at_ms) AS oldestMs FROM waiting WHERE file IS NULL',
  );
  const assign = database.prepare(`UPDATE waiting SET file = @file WHERE id IN (
    SELECT id FROM (SELECT id, SUM(bytes) OVER (ORDER BY id) - bytes AS before FROM waiting WHERE file IS NULL)
    WHERE before < @limitBytes)`);
  const files = database.prepare('SELECT DISTINCT file FROM waiting WHERE file IS NOT NULL').pluck();
  const rows = database.prepare('SELECT row FROM waiting WHERE file = ? ORDER BY id').pluck();
  const release = database.prepare('DELETE FROM waiting WHERE file = ?');
  return {
    insert: (batch) => {
      try {
        addAll.immediate(batch);
      } catch (error) {
        throw wrapSqliteError(error, file);
      }
    },
    waiting: () => measure.get() as { bytes: number; oldestMs: number | null },
    assign: (name, limitBytes) => void assign.run({ file: name, limitBytes }),
    assigned: () => files.all() as string[],
    rowsOf: (name) => rows.all(name) as string[],
    release: (name) => void release.run(name),
  };
}
