import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { openBook } from '../../../../src/gateway/budget/book.js';
import type { Alert } from '../../../../src/gateway/budget/checks.js';
import type { Limits } from '../../../../src/ledger/keys.js';

const noLimits: Limits = {
  usdPerDay: null,
  usdPerMonth: null,
  tokensPerDay: null,
  tokensPerMonth: null,
  requestsPerMinute: null,
  tokensPerMinute: null,
};
const nothing = { nanoUsd: 0, tokens: 0 };
const unused = () => ({ day: nothing, month: nothing });
const noon = Date.parse('2026-11-30T12:00:00Z');
const cents = (amount: number) => ({ nanoUsd: amount * 1e7, tokens: amount, rateTokens: amount });

function book(limits: Record<string, Partial<Limits>>, used = unused) {
  const alerts: Alert[] = [];
  const opened = openBook(0.8, (alert) => alerts.push(alert));
  const wanted = new Map(Object.entries(limits).map(([id, one]) => [id, { ...noLimits, ...one }]));
  opened.setAccounts(wanted, used, noon);
  return { ...opened, alerts };
}

/** What a request did, in any order with those of others. */
type Step = { request: number; estimate: number; share: number; ends: 'settle' | 'release'; waitMs: number };

const step: fc.Arbitrary<Step> = fc.record({
  request: fc.nat(15),
  estimate: fc.nat(60),
  share: fc.double({ min: 0, max: 1, noNaN: true }),
  ends: fc.constantFrom('settle', 'release'),
  waitMs: fc.nat(4 * 3_600_000),
});

describe('no interleaving of requests', () => {
  it('spends more than a budget, whatever is reserved, settled and released in whatever order', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), fc.integer({ min: 1, max: 200 }), (steps, limitCents) => {
        const limits = { 'key:a': { usdPerDay: limitCents / 100 }, everything: { tokensPerMonth: limitCents * 3 } };
        const budget = book(limits);
        const open = new Map<number, { id: number; estimate: number; day: string }>();
        const spentOn = new Map<string, number>();
        const spentIn = new Map<string, number>();
        let nowMs = noon;
        for (const { request, estimate, share, ends, waitMs } of steps) {
          nowMs += waitMs;
          const day = new Date(nowMs).toISOString().slice(0, 10);
          const running = open.get(request);
          if (!running) {
            const answer = budget.reserve(['key:a', 'everything'], cents(estimate), nowMs);
            if ('id' in answer) open.set(request, { id: answer.id, estimate, day });
            continue;
          }
          open.delete(request);
          if (ends === 'release') {
            budget.release(running.id);
            continue;
          }
          const actual = Math.floor(running.estimate * share);
          budget.settle(running.id, cents(actual));
          budget.settle(running.id, cents(actual));
          spentOn.set(running.day, (spentOn.get(running.day) ?? 0) + actual);
          const month = running.day.slice(0, 7);
          spentIn.set(month, (spentIn.get(month) ?? 0) + actual);
        }
        expect(Math.max(0, ...spentOn.values())).toBeLessThanOrEqual(limitCents);
        expect(Math.max(0, ...spentIn.values())).toBeLessThanOrEqual(limitCents * 3);
      }),
      { numRuns: 500 },
    );
  });

  it('lets more than the limit per minute into any sixty seconds', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(20_000), { maxLength: 200 }), fc.integer({ min: 1, max: 10 }), (waits, allowed) => {
        const budget = book({ 'key:a': { requestsPerMinute: allowed } });
        const admitted: number[] = [];
        let nowMs = noon;
        for (const waitMs of waits) {
          nowMs += waitMs;
          if ('id' in budget.reserve(['key:a'], cents(0), nowMs)) admitted.push(nowMs);
        }
        for (const [index, from] of admitted.entries()) {
          const within = admitted.slice(index).filter((ms) => ms < from + 60_000);
          expect(within.length).toBeLessThanOrEqual(allowed);
        }
      }),
    );
  });
});

describe('a budget', () => {
  it('is whole again at midnight UTC, and a request belongs to the day on which it began', () => {
    const budget = book({ 'key:a': { usdPerDay: 1 } });
    const lateMs = Date.parse('2026-11-30T23:59:59Z');
    const late = budget.reserve(['key:a'], cents(100), lateMs);
    expect(budget.reserve(['key:a'], cents(1), lateMs)).toMatchObject({
      limit: 'usdPerDay',
      resetsAtMs: Date.parse('2026-12-01T00:00:00Z'),
    });
    expect(budget.reserve(['key:a'], cents(100), lateMs + 1000)).toHaveProperty('id');
    if ('id' in late) budget.settle(late.id, cents(100));
    expect(budget.accounts()[0]?.day.used).toEqual(nothing);
  });

  it('begins with what was used before a restart, and tells nothing twice', () => {
    const used = { nanoUsd: 0.9e9, tokens: 0 };
    const budget = book({ 'key:a': { usdPerDay: 1 } }, () => ({ day: used, month: used }));
    const last = budget.reserve(['key:a'], cents(10), noon);
    expect(budget.reserve(['key:a'], cents(1), noon)).toMatchObject({ taken: 1e9, allowed: 1e9 });
    if ('id' in last) budget.settle(last.id, cents(10));
    expect(budget.alerts.map(({ level }) => level)).toEqual(['hard']);
  });

  it('tells once that it is nearly used up, and once that a request was refused', () => {
    const budget = book({ 'tenant:acme': { tokensPerDay: 100 } });
    for (const tokens of [79, 1, 5]) {
      const reserved = budget.reserve(['tenant:acme'], cents(tokens), noon);
      if ('id' in reserved) budget.settle(reserved.id, cents(tokens));
    }
    for (let again = 0; again < 3; again += 1) budget.reserve(['tenant:acme'], cents(50), noon);
    expect(budget.alerts).toMatchObject([
      { level: 'soft', account: 'tenant:acme', taken: 80, allowed: 100 },
      { level: 'hard', account: 'tenant:acme', taken: 85, needed: 50 },
    ]);
  });

  it('tells once that a request alone is too large for it, and later that it is used up', () => {
    const budget = book({ 'key:a': { tokensPerDay: 100 } });
    for (let again = 0; again < 3; again += 1) budget.reserve(['key:a'], cents(101), noon);
    expect(budget.alerts).toMatchObject([{ level: 'hard', taken: 0, needed: 101 }]);
    const reserved = budget.reserve(['key:a'], cents(60), noon);
    budget.reserve(['key:a'], cents(60), noon);
    if ('id' in reserved) budget.settle(reserved.id, cents(60));
    expect(budget.alerts.slice(1)).toMatchObject([{ level: 'hard', taken: 60, needed: 60 }]);
  });

  it('of several accounts refuses when one of them is used up, and takes nothing from the others', () => {
    const budget = book({ 'key:a': { usdPerDay: 1 }, everything: { usdPerMonth: 0.5 } });
    expect(budget.reserve(['key:a', 'everything'], cents(60), noon)).toMatchObject({ account: 'everything' });
    expect(budget.accounts()[0]?.day.reserved).toEqual(nothing);
  });

  it('keeps what was used when its limit changes', () => {
    const budget = book({ 'key:a': { usdPerDay: 1 } });
    const first = budget.reserve(['key:a'], cents(50), noon);
    if ('id' in first) budget.settle(first.id, cents(50));
    budget.setAccounts(new Map([['key:a', { ...noLimits, usdPerDay: 0.4 }]]), unused, noon);
    expect(budget.reserve(['key:a'], cents(0), noon)).toMatchObject({ taken: 0.5e9, allowed: 0.4e9 });
  });
});

describe('tokens per minute', () => {
  it('are corrected by what was really used', () => {
    const budget = book({ 'key:a': { tokensPerMinute: 100 } });
    const first = budget.reserve(['key:a'], cents(90), noon);
    expect(budget.reserve(['key:a'], cents(20), noon)).toMatchObject({ limit: 'tokensPerMinute', taken: 90 });
    if ('id' in first) budget.settle(first.id, cents(30));
    expect(budget.reserve(['key:a'], cents(70), noon)).toHaveProperty('id');
  });

  it('let a request pass that is larger than the limit when nothing else came, and say when there is room again', () => {
    const budget = book({ 'key:a': { tokensPerMinute: 100 } });
    expect(budget.reserve(['key:a'], cents(500), noon)).toHaveProperty('id');
    expect(budget.reserve(['key:a'], cents(1), noon + 1000)).toMatchObject({ resetsAtMs: noon + 61_000 });
    expect(budget.reserve(['key:a'], cents(1), noon + 61_000)).toHaveProperty('id');
  });
});
