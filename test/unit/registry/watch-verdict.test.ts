import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import type { VersionFigures } from '../../../src/ledger/traffic-figures.js';
import { judgeFigures } from '../../../src/registry/watch-verdict.js';

/** Answers take `ms` and a bit, each another bit. */
function figures(requests: number, changes: Partial<VersionFigures> = {}, ms = 100): VersionFigures {
  const times = Array.from({ length: requests }, (_, index) => ms * (1 + (index % 20) / 100));
  return {
    ...{ requests, failures: 0, latenciesMs: times, firstTokensMs: times.map((time) => time / 10) },
    finishReasons: { stop: requests },
    ...changes,
  };
}

const looks = 40;
const verdictOf = (before: VersionFigures, after: VersionFigures) => judgeFigures(before, after, looks);
const worse = (before: VersionFigures, after: VersionFigures) =>
  verdictOf(before, after)
    .findings.filter(({ verdict }) => verdict === 'worse')
    .map(({ figure }) => figure);

describe('a version is', () => {
  test('good where nothing differs', () => {
    expect(verdictOf(figures(500), figures(100)).verdict).toBe('pass');
  });

  test('not judged before there are enough requests to either', () => {
    expect(verdictOf(figures(500), figures(29)).verdict).toBe('inconclusive');
    expect(verdictOf(figures(29), figures(500)).verdict).toBe('inconclusive');
    expect(verdictOf(figures(0), figures(0)).verdict).toBe('inconclusive');
  });

  test('worse where more requests fail, said with both shares', () => {
    const judged = verdictOf(figures(500, { failures: 2 }), figures(100, { failures: 12 }));
    expect(judged.verdict).toBe('worse');
    expect(judged.findings[0]?.line).toBe('12 % (12 of 100) of requests failed (before: 0.4 % (2 of 500))');
  });

  test('worse at once where all its first requests fail', () => {
    expect(worse(figures(500), figures(5, { failures: 5, latenciesMs: [], firstTokensMs: [] }))).toEqual(['errors']);
  });

  test('not worse by times or cut answers before there are enough answers of either', () => {
    const cut = { finishReasons: { length: 29 } };
    for (const [before, after] of [
      [figures(500), figures(29, cut, 900)],
      [figures(29), figures(500, { finishReasons: { length: 500 } }, 900)],
    ] as const) {
      const { verdict, findings } = verdictOf(before, after);
      const compared = findings.slice(1).map((finding) => finding.verdict);
      expect([verdict, compared]).toEqual(['inconclusive', ['inconclusive', 'inconclusive', 'inconclusive']]);
    }
    expect(worse(figures(500), figures(30, { finishReasons: { length: 30 } }, 900))).toEqual([
      'latency',
      'first_token',
      'finish_reasons',
    ]);
  });

  test('no worse by one failure, by chance, or by less than anyone would mind', () => {
    expect(worse(figures(500), figures(100, { failures: 1 }))).toEqual([]);
    expect(worse(figures(1_000, { failures: 0 }), figures(1_000, { failures: 9 }))).toEqual([]);
    expect(worse(figures(500), figures(500, {}, 130))).toEqual([]);
  });

  test('worse where answers and first tokens are slower', () => {
    expect(worse(figures(500), figures(60, {}, 400))).toEqual(['latency', 'first_token']);
  });

  test('worse where answers are cut off, and not where it calls tools instead', () => {
    expect(worse(figures(500), figures(100, { finishReasons: { stop: 40, length: 60 } }))).toEqual(['finish_reasons']);
    expect(worse(figures(500), figures(100, { finishReasons: { stop: 40, tool_calls: 60 } }))).toEqual([]);
  });

  test('judged without first tokens and finish reasons where its requests have none', () => {
    const none = { firstTokensMs: [], finishReasons: {} };
    expect(verdictOf(figures(100, none), figures(100, none)).verdict).toBe('pass');
  });
});

test('two samples of the same service are told apart in a whole watch no more often than 1 in 20', () => {
  const random = fc.sample(fc.integer({ min: 0, max: 999 }), { numRuns: 200 * 220, seed: 7 });
  let alarms = 0;
  for (let round = 0; round < 200; round += 1) {
    const draws = random.slice(round * 220, (round + 1) * 220);
    const sample = (values: number[]): VersionFigures => ({
      ...{ requests: values.length, failures: values.filter((value) => value < 30).length },
      latenciesMs: values.map((value) => Math.exp(value / 200)),
      firstTokensMs: [],
      finishReasons: {},
    });
    const before = sample(draws.slice(0, 180));
    const found = [10, 20, 30, 40].some(
      (seen) => verdictOf(before, sample(draws.slice(180, 180 + seen))).verdict === 'worse',
    );
    if (found) alarms += 1;
  }
  expect(alarms).toBeLessThanOrEqual(10);
});
