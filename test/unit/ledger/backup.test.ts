import { existsSync, mkdtempSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, test } from 'vitest';

import { backUpLedger, listBackups, newestGoodBackup, restoreLedger } from '../../../src/ledger/backup.js';
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

function addRun(id: string): void {
  const ledger = openLedger(file);
  insertRun(ledger, {
    id,
    recipe: 't',
    recipeFile: 't',
    method: 'lora',
    baseModel: 'b',
    baseCommit: 'c',
    seed: 1,
    engine: 'host',
    owner: null,
    startedAtMs: 1,
  });
  ledger.close();
}

function runIds(): string[] {
  const ledger = openLedger(file);
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
  addRun('b');
  const { replaced } = await restoreLedger(file, backup.file, new Date());
  expect(runIds()).toEqual(['a']);
  expect(replaced !== undefined && existsSync(replaced)).toBe(true);
});

test('a copy is made while a write transaction of another connection is open', async () => {
  addRun('a');
  const writer = openLedger(file);
  writer.database.exec('BEGIN IMMEDIATE');
  const backup = await backUp(1);
  writer.database.exec('COMMIT');
  writer.close();
  expect(backup.sizeBytes).toBeGreaterThan(0);
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
