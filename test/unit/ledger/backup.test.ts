import {
  copyFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import Database from 'better-sqlite3';
import { afterEach, beforeEach, expect, test } from 'vitest';

import {
  backUpLedger,
  keepBeforeMigration,
  listBackups,
  newestGoodBackup,
  restoreLedger,
} from '../../../src/ledger/backup.js';
import { lostByRestore } from '../../../src/ledger/backup-loss.js';
import { openLedger } from '../../../src/ledger/open.js';
import { insertRun, listRuns } from '../../../src/ledger/runs.js';

let folder: string;
let file: string;
let backups: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'mlx-backup-'));
  file = join(folder, 'ledger.db');
  backups = join(folder, 'backups');
});
afterEach(() => rmSync(folder, { recursive: true }));

const exampleRun = {
  recipe: 't',
  recipeFile: 't',
  method: 'lora',
  baseModel: 'b',
  baseCommit: 'c',
  seed: 1,
  engine: 'host' as const,
  owner: null,
  startedAtMs: 1,
};

function addRun(id: string): void {
  const ledger = openLedger(file);
  insertRun(ledger, { ...exampleRun, id });
  ledger.close();
}

function runIds(from = file): string[] {
  const ledger = openLedger(from);
  const ids = listRuns(ledger, { sort: 'started', descending: false, limit: 10 }).map((run) => run.id);
  ledger.close();
  return ids;
}

async function backUp(second: number) {
  const ledger = openLedger(file);
  const backup = await backUpLedger(ledger, backups, new Date(second * 1000));
  ledger.close();
  return backup;
}

test('a restored ledger holds what it held at the backup, and the replaced one is kept', async () => {
  addRun('a');
  const backup = await backUp(1);
  expect(lostByRestore(file, backup.file)).toEqual({ runs: 0, versions: 0, promotions: 0 });
  addRun('b');
  expect(lostByRestore(file, backup.file)).toEqual({ runs: 1, versions: 0, promotions: 0 });
  const { replaced } = await restoreLedger(file, backup.file, new Date());
  expect(runIds()).toEqual(['a']);
  expect(runIds(replaced)).toEqual(['a', 'b']);
});

test('a copy is as old as its name says, also after somebody has copied it', async () => {
  addRun('a');
  const { file: copy } = await backUp(1);
  utimesSync(copy, 500, 500);
  expect(listBackups(backups)).toMatchObject([{ file: copy, madeAtMs: 1000 }]);
  const other = join(backups, 'ledger-mine.db');
  copyFileSync(copy, other);
  utimesSync(other, 500, 500);
  expect(listBackups(backups)).toMatchObject([{ file: other, madeAtMs: 500_000 }, { file: copy }]);
});

test('a ledger that somebody has open is not replaced, and loses no row that is written meanwhile', async () => {
  addRun('a');
  const backup = await backUp(1);
  const other = openLedger(file);
  insertRun(other, { ...exampleRun, id: 'b' });
  await expect(restoreLedger(file, backup.file, new Date())).rejects.toMatchObject({ code: 'BUSY' });
  insertRun(other, { ...exampleRun, id: 'c' });
  other.close();
  expect(runIds()).toEqual(['a', 'b', 'c']);
});

test('rows that only the log of a dead process holds are kept with what is replaced', async () => {
  addRun('a');
  const backup = await backUp(1);
  // A copy of both files, taken while they are open, is what a killed process leaves.
  const other = openLedger(file);
  insertRun(other, { ...exampleRun, id: 'b' });
  const left = join(folder, 'left.db');
  for (const suffix of ['', '-wal']) copyFileSync(`${file}${suffix}`, `${left}${suffix}`);
  other.close();
  const { replaced } = await restoreLedger(left, backup.file, new Date());
  expect(runIds(left)).toEqual(['a']);
  expect(runIds(replaced)).toEqual(['a', 'b']);
});

test('a restore that was killed before its last step changed nothing, and the next one works', async () => {
  addRun('a');
  const backup = await backUp(1);
  addRun('b');
  const replaced = `${file}.replaced-1970-01-01T00-00-00-000Z`;
  for (const half of [`${file}.restoring`, replaced]) writeFileSync(half, 'half a page');
  expect(runIds()).toEqual(['a', 'b']);
  rmSync(replaced);
  await restoreLedger(file, backup.file, new Date(0));
  expect(runIds()).toEqual(['a']);
});

test('an unreadable ledger is replaced too, and kept with its log', async () => {
  addRun('a');
  const backup = await backUp(1);
  writeFileSync(file, 'garbage '.repeat(2000));
  writeFileSync(`${file}-wal`, 'its log');
  const { replaced = '' } = await restoreLedger(file, backup.file, new Date());
  expect(runIds()).toEqual(['a']);
  expect(readFileSync(replaced, 'utf8')).toContain('garbage');
  expect(readFileSync(`${replaced}-wal`, 'utf8')).toBe('its log');
});

test('whoever opened the ledger just before it was replaced cannot write into the old file', async () => {
  addRun('a');
  const backup = await backUp(1);
  const database = new Database(file);
  await restoreLedger(file, backup.file, new Date());
  const late = { database, file, close: () => database.close() };
  expect(() => insertRun(late, { ...exampleRun, id: 'b' })).toThrowError(expect.objectContaining({ code: 'BUSY' }));
  late.close();
});

test('a migration puts a copy of the older schema among the backups, however often it was tried', () => {
  const old = new Database(file);
  old.exec('CREATE TABLE kept (text TEXT); INSERT INTO kept VALUES (1)');
  old.pragma('user_version = 1');
  for (const schema of [1, 1]) keepBeforeMigration(old, file, schema);
  old.close();
  const [copy] = listBackups(backups);
  const opened = new Database(copy?.file);
  expect(opened.prepare('SELECT text FROM kept').pluck().get()).toBe('1');
  opened.close();
  expect(readdirSync(backups).filter((name) => name.includes('partial'))).toEqual([]);
});

test('a copy is made while a write transaction of another connection is open', async () => {
  addRun('a');
  const writer = openLedger(file);
  writer.database.exec('BEGIN IMMEDIATE');
  const backup = await backUp(1);
  writer.database.exec('COMMIT');
  writer.close();
  expect(runIds(backup.file)).toEqual(['a']);
});

test('the newest good backup is named when the ledger is corrupt, a damaged copy is passed over', async () => {
  addRun('a');
  const good = await backUp(1);
  const damaged = await backUp(2);
  truncateSync(damaged.file, 5000);
  expect(newestGoodBackup(backups)?.file).toBe(good.file);
  writeFileSync(file, 'garbage '.repeat(2000));
  expect(() => openLedger(file)).toThrowError(
    expect.objectContaining({ code: 'LEDGER_CORRUPT', hint: expect.stringContaining(good.file) }),
  );
});

test('a damaged copy is refused and the ledger stays', async () => {
  addRun('a');
  const damaged = await backUp(1);
  truncateSync(damaged.file, 5000);
  await expect(restoreLedger(file, damaged.file, new Date())).rejects.toMatchObject({ code: 'BACKUP_UNREADABLE' });
  expect(runIds()).toEqual(['a']);
});

test('nothing half-made is left beside the copies', async () => {
  addRun('a');
  await backUp(1);
  await backUp(2);
  expect(listBackups(backups)).toHaveLength(2);
  expect(readdirSync(backups).filter((name) => name.includes('partial'))).toEqual([]);
});
