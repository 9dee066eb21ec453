import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import {
  decide,
  isUpstreamFault,
  longestRetryAfterMs,
  openRetryBudget,
  parseRetryAfter,
  type Failed,
} from '../../../src/gateway/retry.js';

const first = { retriesLeft: 1, hasNext: true, mayRetry: true, random: 0.5, retry: 0 };

/** With a retry left and another upstream behind it. The columns: what happens at once, and what when the retry is spent. */
const table: [Failed, 'retry' | 'next' | 'end', 'next' | 'end', fault: boolean][] = [
  [{ failure: 'connect_failed' }, 'retry', 'next', true],
  [{ failure: 'connect_timeout' }, 'retry', 'next', true],
  [{ failure: 'first_byte_timeout' }, 'next', 'next', true],
  [{ failure: 'idle_timeout' }, 'next', 'next', true],
  [{ failure: 'total_timeout' }, 'end', 'end', true],
  [{ failure: 'broken' }, 'next', 'next', true],
  [{ failure: 'redirected' }, 'next', 'next', true],
  [{ failure: 'gone' }, 'end', 'end', false],
  [{ status: 400 }, 'end', 'end', false],
  [{ status: 401 }, 'end', 'end', true],
  [{ status: 402 }, 'end', 'end', false],
  [{ status: 403 }, 'end', 'end', false],
  [{ status: 404 }, 'end', 'end', false],
  [{ status: 405 }, 'end', 'end', false],
  [{ status: 408 }, 'next', 'next', false],
  [{ status: 409 }, 'end', 'end', false],
  [{ status: 413 }, 'end', 'end', false],
  [{ status: 415 }, 'end', 'end', false],
  [{ status: 422 }, 'end', 'end', false],
  [{ status: 429 }, 'retry', 'next', true],
  [{ status: 429, retryAfterMs: 1_000 }, 'retry', 'next', true],
  [{ status: 429, retryAfterMs: longestRetryAfterMs + 1 }, 'next', 'next', true],
  [{ status: 500 }, 'next', 'next', true],
  [{ status: 501 }, 'next', 'next', true],
  [{ status: 502 }, 'retry', 'next', true],
  [{ status: 503 }, 'retry', 'next', true],
  [{ status: 503, retryAfterMs: 60_000 }, 'next', 'next', true],
  [{ status: 504 }, 'retry', 'next', true],
  [{ status: 520 }, 'next', 'next', true],
  [{ status: 529 }, 'retry', 'next', true],
];

describe('after a failed attempt', () => {
  test.each(table)('%j the next thing is %s, and %s when no retry is left', (failed, atOnce, later, fault) => {
    expect(decide(failed, first).kind).toBe(atOnce);
    expect(decide(failed, { ...first, retriesLeft: 0 }).kind).toBe(later);
    expect(decide(failed, { ...first, mayRetry: false }).kind).toBe(later);
    expect(decide(failed, { ...first, retriesLeft: 0, hasNext: false }).kind).toBe('end');
    expect(isUpstreamFault(failed)).toBe(fault);
  });

  test('the pause is random up to a bound that doubles, and never shorter than what the upstream asks for', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 0.999, noNaN: true }), fc.integer({ min: 0, max: 10 }), (random, retry) => {
        const bare = decide({ status: 503 }, { ...first, random, retry });
        expect(bare.kind === 'retry' && bare.delayMs).toBe(random * Math.min(2_000, 100 * 2 ** retry));
        const asked = decide({ status: 429, retryAfterMs: 700 }, { ...first, random, retry });
        expect(asked.kind === 'retry' && asked.delayMs).toBeGreaterThanOrEqual(700);
      }),
    );
  });
});

test('retries are at most a tenth of the requests, but for a few to begin with', () => {
  const budget = openRetryBudget();
  let retries = 0;
  for (let request = 0; request < 10_000; request += 1) {
    budget.countRequest();
    if (!budget.left()) continue;
    budget.spend();
    retries += 1;
  }
  expect(retries).toBeLessThanOrEqual(1_000 + 10);
  expect(retries).toBeGreaterThan(900);
});

test.each([
  ['3', 3_000],
  ['0.5', 500],
  ['Thu, 01 Jan 1970 00:00:07 GMT', 2_000],
  ['Thu, 01 Jan 1970 00:00:01 GMT', 0],
  ['soon', undefined],
  [undefined, undefined],
])('Retry-After %s means %s ms', (value, expected) => expect(parseRetryAfter(value, 5_000)).toBe(expected));
