import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, test } from 'vitest';

import { openTraffic, type TrafficLog } from '../../../src/ledger/traffic.js';
import { versionFigures } from '../../../src/ledger/traffic-figures.js';
import { trafficRow } from './traffic-example.js';

let folder: string;
let traffic: TrafficLog;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'mlx-figures-'));
  traffic = openTraffic(join(folder, 'traffic.db'));
});

afterEach(() => {
  traffic.close();
  rmSync(folder, { recursive: true });
});

const span = { version: 'tickets:2', sinceMs: 1_000, untilMs: 2_000 };
const row = (changes: Parameters<typeof trafficRow>[0]) =>
  trafficRow({ version: 'tickets:2', startedAtMs: 1_500, ...changes });

test('counts what a version was asked, what it failed, and times of whole answers alone', () => {
  traffic.insert([
    row({ durationMs: 20, firstTokenMs: 5 }),
    row({ durationMs: 40, firstTokenMs: null, finishReason: 'length' }),
    row({ status: 500, finishReason: null }),
    row({ end: 'broken', finishReason: null }),
    row({ end: 'gone', finishReason: null }),
    row({ status: 400, finishReason: null }),
    row({ version: 'tickets:1' }),
    row({ startedAtMs: 999 }),
    row({ startedAtMs: 2_000 }),
  ]);
  expect(versionFigures(traffic, span)).toEqual({
    ...{ requests: 6, failures: 2, latenciesMs: [40, 20], firstTokensMs: [5] },
    finishReasons: { stop: 1, length: 1 },
  });
});

test('a request that another version answered in its place is a failure of the one that was asked first', () => {
  const attempts = JSON.stringify([
    { upstream: 'local', model: 'tickets', version: 'tickets:2', status: 500 },
    { upstream: 'local', model: 'tickets', version: 'tickets:1', status: 200 },
  ]);
  traffic.insert([row({ version: 'tickets:1', attempts })]);
  expect(versionFigures(traffic, span)).toMatchObject({ requests: 1, failures: 1, latenciesMs: [] });
  expect(versionFigures(traffic, { ...span, version: 'tickets:1' })).toMatchObject({ requests: 1, failures: 0 });
});

test('copies that no client saw are counted for themselves', () => {
  traffic.insert([row({ requestId: 'a' }), row({ requestId: 'a-shadow', status: 500 })]);
  expect(versionFigures(traffic, span)).toMatchObject({ requests: 1, failures: 0 });
  expect(versionFigures(traffic, { ...span, shadow: true })).toMatchObject({ requests: 1, failures: 1 });
});

test('says nothing of a gateway that was never asked', () => {
  expect(versionFigures(undefined, span)).toMatchObject({ requests: 0, failures: 0 });
});
