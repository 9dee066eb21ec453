import { join } from 'node:path';

import Database from 'better-sqlite3';
import { afterEach, expect, it } from 'vitest';

import { openTraffic, type TrafficLog, type TrafficRow } from '../../../src/ledger/traffic.js';
import { trafficSteps } from '../../../src/ledger/traffic-schema.js';
import { summarizeTraffic } from '../../../src/ledger/traffic-report.js';
import { scratchFolder } from '../engine/scratch.js';
import { trafficRow } from './traffic-example.js';

let traffic: TrafficLog;
afterEach(() => traffic.close());

const dayMs = 86_400_000;
const { startedAtMs } = trafficRow();
const file = (): string => join(scratchFolder(), 'traffic.db');
const all = (sql: string): unknown[] => traffic.database.prepare(sql).pluck().all();
const labels = (): unknown => all('SELECT COUNT(*) FROM request_labels')[0];

it('rows that repeat the labels of another share them, and any difference is kept', () => {
  traffic = openTraffic(file());
  const different: Partial<TrafficRow>[] = [
    {},
    { startedAtMs: startedAtMs + dayMs },
    { operation: 'completions' },
    { dialect: 'anthropic' },
    { stream: true },
    { route: null },
    { route: '' },
    { upstream: 'other' },
    { model: 'other' },
    { version: 'tickets:2' },
    { digest: 'sha256:2' },
    { keyId: 'b' },
    { tenant: null },
    { tenant: 'null' },
    { feature: '' },
    { feature: 'search' },
    { estimated: true },
    { price: '{"source":"other"}' },
    { status: 503 },
    { end: 'gone' },
    { errorClass: 'timeout' },
    { finishReason: 'length' },
    { prompt: 'support@3f2a91' },
    // Both may be any text.
    { model: 'a', finishReason: '\u0001b' },
    { model: 'a\u0001', finishReason: 'b' },
  ];
  traffic.insert(different.map(trafficRow));
  traffic.insert(different.map(trafficRow));
  expect(labels()).toBe(different.length);
  for (const field of ['route', 'tenant', 'feature', 'model', 'finish_reason', 'price_id', 'started_at_ms']) {
    const [first, second] = [
      `SELECT ${field} FROM requests ORDER BY id LIMIT 25`,
      `SELECT ${field} FROM requests ORDER BY id LIMIT 25 OFFSET 25`,
    ];
    expect(all(second)).toEqual(all(first));
  }
  expect(all('SELECT model FROM requests ORDER BY id LIMIT 2 OFFSET 23')).toEqual(['a', 'a\u0001']);
});

it('a batch that was rolled back takes its labels along, and the next one brings them again', () => {
  traffic = openTraffic(file());
  const broken = trafficRow({ requestId: null as unknown as string });
  expect(() => traffic.insert([trafficRow(), broken])).toThrow();
  expect(labels()).toBe(0);
  traffic.insert([trafficRow()]);
  expect(all('SELECT tenant FROM requests')).toEqual(['acme']);
});

it('labels are forgotten with the last row of their day', () => {
  traffic = openTraffic(file());
  const days = [0, 1, 2].map((day) => ({ startedAtMs: startedAtMs + day * dayMs, tenant: `day ${day}` }));
  traffic.insert([...days, ...days].map(trafficRow));
  traffic.forget(startedAtMs + 2 * dayMs, 3);
  expect(all('SELECT tenant FROM request_labels ORDER BY id')).toEqual(['day 1', 'day 2']);
  traffic.forget(startedAtMs + 2 * dayMs, 100);
  expect(all('SELECT tenant FROM request_labels')).toEqual(['day 2']);
  // Its request took longer than rows are kept.
  traffic.insert([trafficRow(days[0])]);
  expect(all('SELECT tenant FROM requests')).toEqual(['day 2', 'day 2', 'day 0']);
});

it('a log of an older version keeps every row', () => {
  const path = file();
  const old = new Database(path);
  for (const step of trafficSteps.slice(0, 2)) old.exec(step);
  old.pragma('user_version = 2');
  old.exec(`INSERT INTO prices (price) VALUES ('{"source":"test"}')`);
  const insert =
    old.prepare(`INSERT INTO requests (request_id, started_at_ms, operation, dialect, stream, route, upstream, tenant,
    estimated, cost_usd, price_id, duration_ms, status, end, attempts) VALUES (?, ?, 'chat', 'openai', 0, ?, 'local', ?, 0, 0.5, 1, 20, 200, 'complete', '[]')`);
  for (let row = 0; row < 100; row += 1)
    insert.run(`req_${row}`, startedAtMs + row, row % 3 === 0 ? null : 'tickets', row % 2 === 0 ? 'acme' : null);
  const before = old.prepare('SELECT * FROM requests ORDER BY id').all();
  old.close();
  traffic = openTraffic(path);
  expect(traffic.database.prepare('SELECT * FROM requests ORDER BY id').all()).toEqual(before);
  expect(labels()).toBe(4);
  traffic.insert([trafficRow({ route: 'tickets', costUsd: 1 })]);
  expect(summarizeTraffic(traffic, { by: 'route', sinceMs: 0 })).toMatchObject([
    { group: 'tickets', requests: 67, costUsd: 34 },
    { group: null, requests: 34, costUsd: 17 },
  ]);
});
