import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { breakerRules, closedBreaker, permits } from '../../../src/gateway/breaker.js';
import { openBreakers } from '../../../src/gateway/breakers.js';
import { heldClock } from './core-bench.js';

const { atLeast, window, forgetAfterMs, openForMs } = breakerRules;

describe('a breaker', () => {
  test('opens when half of the last calls failed, lets one probe pass after a while, and closes when that was well', () => {
    const clock = heldClock();
    const breakers = openBreakers(clock);
    for (let call = 0; call < atLeast; call += 1) breakers.begin('a')?.('failed');
    expect(breakers.stateOf('a')).toBe('open');
    expect(breakers.begin('a')).toBeUndefined();
    expect(breakers.closedForMs('a')).toBe(openForMs);
    clock.advance(openForMs);
    const probe = breakers.begin('a');
    expect(breakers.begin('a')).toBeUndefined();
    probe?.('well');
    expect(breakers.stateOf('a')).toBe('closed');
    expect(breakers.states()).toEqual({});
  });

  test('that is open minds only its own upstream', () => {
    const breakers = openBreakers(heldClock());
    for (let call = 0; call < atLeast; call += 1) breakers.begin('a')?.('failed');
    expect(breakers.begin('b')).toBeDefined();
  });

  test('lets the next probe pass at once when the client of the first one left', () => {
    const clock = heldClock();
    const breakers = openBreakers(clock);
    for (let call = 0; call < atLeast; call += 1) breakers.begin('a')?.('failed');
    clock.advance(openForMs);
    breakers.begin('a')?.('cancelled');
    expect(breakers.begin('a')).toBeDefined();
  });

  test('that starts is closed', () => expect(permits(closedBreaker, 0)).toBe(true));
});

type Action =
  { kind: 'begin' } | { kind: 'end'; verdict: 'well' | 'failed' | 'cancelled' } | { kind: 'wait'; byMs: number };

const anyAction: fc.Arbitrary<Action> = fc.oneof(
  fc.constant({ kind: 'begin' as const }),
  fc.record({
    kind: fc.constant('end' as const),
    verdict: fc.constantFrom('well' as const, 'failed' as const, 'cancelled' as const),
  }),
  fc.record({ kind: fc.constant('wait' as const), byMs: fc.constantFrom(1, 100, openForMs, forgetAfterMs) }),
);

/** Written from the rules alone, with every call remembered: slow, and nothing like the real one. */
function model() {
  let nowMs = 0;
  let calls: { failed: boolean; atMs: number }[] = [];
  let openUntilMs: number | undefined;
  let probing = false;
  return {
    wait: (byMs: number) => void (nowMs += byMs),
    mayBegin: () => !probing && (openUntilMs === undefined || nowMs >= openUntilMs),
    begin: () => {
      if (openUntilMs === undefined) return { probe: false };
      probing = true;
      return { probe: true };
    },
    end: (probe: boolean, verdict: 'well' | 'failed' | 'cancelled') => {
      if (probe) {
        probing = false;
        if (verdict === 'well') [openUntilMs, calls] = [undefined, []];
        else openUntilMs = verdict === 'failed' ? nowMs + openForMs : nowMs;
        return;
      }
      if (openUntilMs !== undefined || verdict === 'cancelled') return;
      calls.push({ failed: verdict === 'failed', atMs: nowMs });
      const firstFailure = calls.findIndex(({ failed }) => failed);
      // Successes before any failure are not kept: they would hide the first minutes of an outage.
      calls = firstFailure === -1 ? [] : calls.slice(firstFailure);
      calls = calls.filter(({ atMs }) => nowMs - atMs < forgetAfterMs).slice(-window);
      const failures = calls.filter(({ failed }) => failed).length;
      if (calls.length >= atLeast && failures * 2 >= calls.length) openUntilMs = nowMs + openForMs;
    },
  };
}

test('agrees with a plain model of its rules over every history of calls', () => {
  fc.assert(
    fc.property(fc.array(anyAction, { maxLength: 120 }), (actions) => {
      const clock = heldClock();
      const breakers = openBreakers(clock);
      const expected = model();
      const open: { end: (verdict: 'well' | 'failed' | 'cancelled') => void; probe: boolean }[] = [];
      for (const action of actions) {
        if (action.kind === 'wait') {
          clock.advance(action.byMs);
          expected.wait(action.byMs);
        } else if (action.kind === 'end') {
          const call = open.shift();
          call?.end(action.verdict);
          if (call) expected.end(call.probe, action.verdict);
        } else {
          const end = breakers.begin('a');
          expect(end !== undefined).toBe(expected.mayBegin());
          if (end) open.push({ end, probe: expected.begin().probe });
        }
      }
    }),
    { numRuns: 10_000 },
  );
});
