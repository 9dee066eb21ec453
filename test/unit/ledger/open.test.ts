import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import Database from 'better-sqlite3';
import { afterEach, beforeEach, expect, test } from 'vitest';

import { latestMetrics, metricHistory, recordMetrics } from '../../../src/ledger/metrics.js';
import { openLedger, wrapSqliteError } from '../../../src/ledger/open.js';
import { insertRun } from '../../../src/ledger/runs.js';

let folder: string;
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'mlx-ledger-'))));
afterEach(() => rmSync(folder, { recursive: true }));

test('the ledger is opened so that an acknowledged row survives a power cut', () => {
  const ledger = openLedger(join(folder, 'ledger.db'));
  expect(ledger.database.pragma('journal_mode', { simple: true })).toBe('wal');
  expect(ledger.database.pragma('synchronous', { simple: true })).toBe(2);
  expect(ledger.database.pragma('foreign_keys', { simple: true })).toBe(1);
  ledger.close();
});

test('opening twice changes nothing and makes no copy', () => {
  openLedger(join(folder, 'ledger.db')).close();
  openLedger(join(folder, 'ledger.db')).close();
  expect(readdirSync(folder)).toEqual(['ledger.db']);
});

test('a ledger that a newer mlx wrote is refused and left as it was', () => {
  const file = join(folder, 'ledger.db');
  const newer = new Database(file);
  newer.pragma('user_version = 999');
  newer.close();
  expect(() => openLedger(file)).toThrowError(expect.objectContaining({ code: 'LEDGER_NEWER' }));
});

test('the mean loss of runs of an earlier mlx gets its name', () => {
  const file = join(folder, 'ledger.db');
  const before = openLedger(file);
  insertRun(before, { ...earlierRun, id: 'run-1' });
  recordMetrics(before, 'run-1', [{ key: 'train/final_loss', step: 3, value: 2, recordedAtMs: 1 }]);
  before.database.pragma('user_version = 9');
  before.close();
  const after = openLedger(file);
  expect(latestMetrics(after, 'run-1')).toEqual({ 'train/mean_loss': 2 });
  expect(metricHistory(after, 'run-1', 'train/mean_loss')).toHaveLength(1);
  after.close();
});

const earlierRun = {
  ...{ recipe: 't', recipeFile: 't', method: 'lora', baseModel: 'b', baseCommit: 'c', seed: 1 },
  ...{ engine: 'host' as const, owner: null, startedAtMs: 1 },
};

test('a file that is no database is named, with the way out', () => {
  const file = join(folder, 'ledger.db');
  writeFileSync(file, 'garbage '.repeat(2000));
  expect(() => openLedger(file)).toThrowError(
    expect.objectContaining({ code: 'LEDGER_CORRUPT', hint: expect.stringContaining('no copy') }),
  );
});

test.skipIf(process.platform !== 'linux')(
  'an I/O error of SQLite is a full disk where there is no room, and only there',
  () => {
    const failed = Object.assign(new Error('disk I/O error'), { code: 'SQLITE_IOERR_WRITE' });
    // A file system that never has room.
    expect(wrapSqliteError(failed, '/proc/ledger.db')).toMatchObject({ code: 'DISK_FULL', exitStatus: 3 });
    expect(wrapSqliteError(failed, join(tmpdir(), 'ledger.db'))).toBe(failed);
  },
);
