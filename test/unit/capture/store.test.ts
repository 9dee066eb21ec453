import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { forgetTenant } from '../../../src/capture/forget.js';
import { parquetFiles, writeParquet } from '../../../src/capture/parquet.js';
import {
  expireCaptures,
  expiredFiles,
  forgetOldCaptures,
  journalFile,
  lockFile,
  rotateCaptures,
} from '../../../src/capture/store.js';
import { lockCaptures } from '../../../src/ledger/captures.js';
import { allRows, openStore } from './example.js';
import { captureRow, startedAtMs, waitingRow } from './row-example.js';

const hourMs = 3_600_000;
const nowMs = startedAtMs + 60_000;
const named = (count: number, tenant = 'acme') =>
  Array.from({ length: count }, (_, index) => ({ requestId: `${tenant}_${index}`, tenant }));

describe('captured rows', () => {
  it('come back from the journal and from Parquet as they were', async () => {
    const { folder, journal } = openStore();
    const rows = [captureRow(), captureRow({ role: 'shadow', tenant: null, inputTokens: null, outputTokens: 2 ** 40 })];
    journal.insert(rows.map(waitingRow));
    expect(await allRows(folder)).toEqual(rows);
    await rotateCaptures(folder, journal, nowMs, true);
    expect(await allRows(folder)).toEqual(rows);
    const [file = ''] = await parquetFiles(folder);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    expect(journal.waiting()).toEqual({ bytes: 0, oldestMs: null });
  });

  it('wait in the journal until there are many, or the first is an hour old', async () => {
    const { folder, journal } = openStore();
    journal.insert([waitingRow()]);
    await rotateCaptures(folder, journal, startedAtMs + hourMs - 1, false);
    expect(await parquetFiles(folder)).toEqual([]);
    await rotateCaptures(folder, journal, startedAtMs + hourMs, false);
    expect(await parquetFiles(folder)).toHaveLength(1);
    const long = 'x'.repeat(1024 * 1024);
    journal.insert(named(10).map((change) => waitingRow({ ...change, answer: long })));
    await rotateCaptures(folder, journal, nowMs, false);
    expect(await parquetFiles(folder)).toHaveLength(2);
    expect(await allRows(folder)).toHaveLength(11);
  });

  it.each(['before its file was there', 'after its file was there'])(
    'are met once when a process died %s, and the next one finishes its work',
    async (moment) => {
      const { folder, journal } = openStore();
      const rows = named(3).map(captureRow);
      journal.insert(rows.map(waitingRow));
      journal.assign('20261121T080000Z-20261121T080100Z-dead.parquet', 1e6);
      const file = join(folder, '20261121T080000Z-20261121T080100Z-dead.parquet');
      if (moment.startsWith('after')) await writeParquet(file, rows);
      else writeFileSync(`${file}.partial`, 'PAR1 and then nothing');
      expect(await allRows(folder)).toEqual(rows);
      await rotateCaptures(folder, journal, nowMs, false);
      expect(await allRows(folder)).toEqual(rows);
      expect(readdirSync(folder).filter((name) => name.includes('parquet'))).toEqual([file.slice(folder.length + 1)]);
    },
  );

  it('are moved by one process at a time', async () => {
    const { folder, journal } = openStore();
    journal.insert([waitingRow()]);
    const unlock = lockCaptures(lockFile(folder), 0);
    expect(await rotateCaptures(folder, journal, nowMs, true)).toBe(false);
    expect(await parquetFiles(folder)).toEqual([]);
    unlock?.();
    expect(await rotateCaptures(folder, journal, nowMs, true)).toBe(true);
    expect(await parquetFiles(folder)).toHaveLength(1);
  });

  it('stay in the journal when the disk is full, and no half of a file is left', async () => {
    const { folder, journal } = openStore();
    const { database } = journal;
    database.pragma(`max_page_count = ${Number(database.pragma('page_count', { simple: true })) + 4}`);
    journal.insert([waitingRow()]);
    const large = waitingRow({ requestId: 'req_2', answer: 'x'.repeat(100_000) });
    expect(() => journal.insert([large])).toThrow(expect.objectContaining({ code: 'DISK_FULL' }) as Error);
    expect((await allRows(folder)).map(({ requestId }) => requestId)).toEqual(['req_1']);
    database.pragma('max_page_count = 100000');
    journal.insert([large]);
    expect(await allRows(folder)).toHaveLength(2);
  });

  it('are deleted when they are too old, file by file', async () => {
    const { folder, journal } = openStore();
    journal.insert([waitingRow()]);
    await rotateCaptures(folder, journal, nowMs, true);
    journal.insert([waitingRow({ requestId: 'req_2', startedAtMs: nowMs + hourMs })]);
    await rotateCaptures(folder, journal, nowMs + hourMs, true);
    journal.insert([waitingRow({ requestId: 'req_3' })]);
    expect(await expiredFiles(folder, nowMs)).toEqual([]);
    expect(await expiredFiles(folder, nowMs + 1_000)).toHaveLength(1);
    await forgetOldCaptures(folder, journal, nowMs + 1_000);
    expect((await allRows(folder)).map(({ requestId }) => requestId)).toEqual(['req_2']);
  });

  it('that somebody damaged are named, not skipped', async () => {
    const { folder, journal } = openStore();
    journal.insert([waitingRow()]);
    await rotateCaptures(folder, journal, nowMs, true);
    const [file = ''] = await parquetFiles(folder);
    writeFileSync(file, readFileSync(file).subarray(0, -20));
    await expect(allRows(folder)).rejects.toMatchObject({ code: 'CAPTURE_UNREADABLE' });
  });
});

it('a command deletes old files and old rows of the journal under the lock', async () => {
  const { folder, journal } = openStore();
  journal.insert(named(2).map(waitingRow));
  await rotateCaptures(folder, journal, nowMs, true);
  journal.insert(named(3, 'other').map(waitingRow));
  expect(await expireCaptures(folder, startedAtMs)).toBe(true);
  expect(await allRows(folder)).toHaveLength(5);
  expect(await expireCaptures(folder, startedAtMs + 10 * hourMs)).toBe(true);
  expect(await allRows(folder)).toEqual([]);
});

describe('forgetting a tenant', () => {
  it('leaves no trace of its words in any file, and everything of the others', async () => {
    const { folder, journal } = openStore();
    const canary = 'words-of-acme-9f31';
    const rows = [...named(5), ...named(5, 'other')].map((change) =>
      waitingRow({ ...change, answer: JSON.stringify(change.tenant === 'acme' ? canary : 'others') }),
    );
    journal.insert(rows.slice(0, 8));
    await rotateCaptures(folder, journal, nowMs, true);
    journal.insert(named(2).map((change) => waitingRow({ ...change, answer: JSON.stringify(canary) })));
    await rotateCaptures(folder, journal, nowMs, true);
    journal.insert([...rows.slice(8), waitingRow({ requestId: 'late', answer: JSON.stringify(canary) })]);
    expect(await forgetTenant(folder, 'acme')).toEqual({ rows: 8, files: 2 });
    expect((await allRows(folder)).map(({ requestId }) => requestId)).toEqual(
      named(5, 'other').map((row) => row.requestId),
    );
    for (const name of readdirSync(folder)) expect(readFileSync(join(folder, name), 'latin1')).not.toContain(canary);
    expect(await forgetTenant(folder, 'acme')).toEqual({ rows: 0, files: 0 });
  });

  it('goes through the files also where the journal is gone, and through what a killed rewrite left', async () => {
    const { folder, journal } = openStore();
    journal.insert(named(2).map(waitingRow));
    await rotateCaptures(folder, journal, nowMs, true);
    journal.close();
    rmSync(journalFile(folder));
    writeFileSync(join(folder, 'left.parquet.partial'), 'words of others');
    expect(await forgetTenant(folder, 'acme')).toEqual({ rows: 2, files: 1 });
    expect(readdirSync(folder).filter((name) => name.includes('parquet'))).toEqual([]);
  });

  it('finds nothing where nothing was captured, and makes no folder', async () => {
    const { folder, journal } = openStore();
    journal.close();
    rmSync(folder, { recursive: true });
    expect(await forgetTenant(folder, 'acme')).toEqual({ rows: 0, files: 0 });
    expect(existsSync(folder)).toBe(false);
  });
});
