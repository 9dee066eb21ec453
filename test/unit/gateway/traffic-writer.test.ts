import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, test } from 'vitest';

import { openTrafficWriter, type TrafficWriter } from '../../../src/gateway/traffic-writer.js';
import { spendingSince } from '../../../src/ledger/spending.js';
import { trafficRow } from '../ledger/traffic-example.js';

let folder: string;
let writer: TrafficWriter;
const warnings: string[] = [];
const now = trafficRow().startedAtMs;

function open(): TrafficWriter {
  const settings = { file: join(folder, 'traffic.db'), keptMs: 90 * 86_400_000, now: () => new Date(now) };
  return openTrafficWriter({ ...settings, warn: (line) => warnings.push(line) });
}

beforeEach(() => {
  warnings.length = 0;
  folder = mkdtempSync(join(tmpdir(), 'mlx-traffic-'));
  writer = open();
});
afterEach(() => {
  writer.close();
  rmSync(folder, { recursive: true });
});

const count = (): number => Number(writer.traffic.database.prepare('SELECT COUNT(*) FROM requests').pluck().get());

test('rows are written in batches, in their order, and the day is summed up with them', () => {
  for (let index = 0; index < 450; index += 1) writer.record(trafficRow({ requestId: `req_${index}` }));
  expect(count()).toBe(400);
  writer.flush();
  const ids = writer.traffic.database.prepare('SELECT request_id FROM requests ORDER BY id').pluck().all();
  expect(ids).toEqual(Array.from({ length: 450 }, (_, index) => `req_${index}`));
  expect(spendingSince(writer.traffic, '2026-11-20')).toEqual([
    { day: '2026-11-20', keyId: 'a', tenant: 'acme', feature: '', requests: 450, tokens: 6750, costUsd: 112.5 },
  ]);
});

test('rows that wait are written when the gateway stops', () => {
  writer.record(trafficRow());
  writer.close();
  writer = open();
  expect(count()).toBe(1);
});

test('a full disk keeps the rows waiting, is said once, and what has no room in the queue is counted', () => {
  const { database } = writer.traffic;
  database.pragma(`max_page_count = ${String(database.pragma('page_count', { simple: true }))}`);
  const large = trafficRow({ attempts: 'x'.repeat(20_000) });
  for (let index = 0; index < 3; index += 1) {
    writer.record(large);
    writer.flush();
  }
  expect(warnings).toEqual([
    expect.stringMatching(/^The traffic log cannot be written: .*disk.*full.*Requests go on\.$/),
  ]);
  for (let index = 0; index < 20_000; index += 1) writer.record(trafficRow());
  expect(writer.dropped()).toBe(3);
  database.pragma('max_page_count = 100000');
  writer.flush();
  expect(count()).toBe(20_000);
  expect(warnings.at(-1)).toBe('The traffic log is written again; 3 rows were lost.');
  expect(spendingSince(writer.traffic, '2026-11-20')).toMatchObject([{ requests: 20_000 }]);
});

test('old rows are forgotten, some at a time, and what was spent on their day is not', () => {
  for (const startedAtMs of [now - 1000, now - 900, now - 800, now]) writer.record(trafficRow({ startedAtMs }));
  writer.flush();
  writer.traffic.forget(now - 850, 1);
  expect(count()).toBe(3);
  writer.traffic.forget(now - 850, 10);
  expect(count()).toBe(2);
  expect(spendingSince(writer.traffic, '2026-11-20')).toMatchObject([{ requests: 4 }]);
});

test('a log that cannot be read is put aside, and another one begun', () => {
  writer.close();
  for (const suffix of ['-wal', '-shm']) rmSync(join(folder, `traffic.db${suffix}`), { force: true });
  writeFileSync(join(folder, 'traffic.db'), 'garbage '.repeat(2000));
  writer = open();
  writer.record(trafficRow());
  writer.flush();
  expect(count()).toBe(1);
  expect(readdirSync(folder)).toContainEqual(expect.stringMatching(/^traffic\.db\.unreadable-2026-11-20/));
  expect(warnings).toEqual([expect.stringContaining('was not readable')]);
});
