import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { openTraffic, type TrafficLog, type TrafficRow } from '../../../src/ledger/traffic.js';
import { newestTrafficId, trafficAfter } from '../../../src/ledger/traffic-lines.js';
import { summarizeTraffic } from '../../../src/ledger/traffic-report.js';
import { trafficRow } from './traffic-example.js';

let folder: string;
let traffic: TrafficLog;
const now = trafficRow().startedAtMs;
const dayMs = 86_400_000;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'mlx-traffic-'));
  traffic = openTraffic(join(folder, 'traffic.db'));
});
afterEach(() => {
  traffic.close();
  rmSync(folder, { recursive: true });
});

const insert = (...rows: Partial<TrafficRow>[]) => traffic.insert(rows.map(trafficRow));

describe('a summary', () => {
  it('has nearest-rank percentiles of what was answered, for any numbers', () => {
    const durations = fc.array(fc.nat(10_000), { minLength: 1, maxLength: 150 });
    fc.assert(
      fc.property(durations, durations, (one, other) => {
        traffic.database.exec('DELETE FROM request_rows');
        insert(
          ...one.map((durationMs) => ({ durationMs, route: 'one' })),
          ...other.map((durationMs) => ({ durationMs, route: 'other' })),
        );
        insert({ route: 'one', status: 429, durationMs: 0 });
        const summaries = summarizeTraffic(traffic, { by: 'route', sinceMs: 0 });
        for (const [route, values] of Object.entries({ one, other })) {
          const sorted = [...values].sort((left, right) => left - right);
          const rank = (share: number) => sorted[Math.ceil(share * sorted.length) - 1];
          const expected = { p50: rank(0.5), p95: rank(0.95), p99: rank(0.99) };
          expect(summaries.find(({ group }) => group === route)?.latencyMs).toEqual(expected);
        }
      }),
      { numRuns: 50 },
    );
  });

  it('counts tokens, cost and errors, the costliest group first, and says what has no price', () => {
    insert(
      { feature: 'search', costUsd: 0.5 },
      { feature: 'search', costUsd: 0.25, end: 'broken' },
      { feature: 'chat', costUsd: 2 },
      { feature: 'chat', costUsd: null, price: null, status: 500, inputTokens: null, outputTokens: null },
      { feature: null, costUsd: null, price: null },
    );
    expect(summarizeTraffic(traffic, { by: 'feature', sinceMs: 0 })).toMatchObject([
      { group: 'chat', requests: 2, errors: 1, costUsd: 2, inputTokens: 10, unpriced: 0 },
      { group: 'search', requests: 2, errors: 1, costUsd: 0.75, inputTokens: 20, outputTokens: 10 },
      { group: null, requests: 1, errors: 0, costUsd: 0, unpriced: 1 },
    ]);
  });

  it('is by day in their order, by version or upstream model, and since a time', () => {
    insert(
      { startedAtMs: now - 2 * dayMs },
      { startedAtMs: now - dayMs, version: null, upstream: 'openai', model: 'gpt-5.4' },
      {},
    );
    const groups = (by: 'day' | 'model', sinceMs: number) =>
      summarizeTraffic(traffic, { by, sinceMs }).map(({ group }) => group);
    expect(groups('day', 0)).toEqual(['2026-11-18', '2026-11-19', '2026-11-20']);
    expect(groups('day', now - dayMs)).toEqual(['2026-11-19', '2026-11-20']);
    expect(groups('model', 0).sort()).toEqual(['openai/gpt-5.4', 'tickets:1']);
  });
});

it('new requests are told apart from those seen before', () => {
  insert({ requestId: 'req_1' });
  const seen = newestTrafficId(traffic);
  insert({ requestId: 'req_2', attempts: '[{"upstream":"local"}]' });
  expect(trafficAfter(traffic, seen)).toMatchObject([{ requestId: 'req_2', attempts: [{ upstream: 'local' }] }]);
});
