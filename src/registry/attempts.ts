// When a model server that is gone is started again: at once where a request told of it, else at the second look that finds it gone; one
// that does not stay up more and more seldom. Pure.
import type { Route } from '../ledger/promotions.js';
import { lookEveryMs } from './looks.js';

/** Of a route: how often its server was started again, and when it may be next. */
export type Attempts = { tried: number; nextAtMs: number };

/** By the route's name. */
export type KnownAttempts = ReadonlyMap<string, Attempts>;

const longestWaitMs = 600_000;
/** One that has lived for so long after its wait died of something new. */
const forgottenAfterMs = 60_000;

/** @param reported servers that a request found nobody at */
export function afterLook(
  known: KnownAttempts,
  gone: readonly Pick<Route, 'name' | 'serverId'>[],
  reported: ReadonlySet<string>,
  nowMs: number,
): KnownAttempts {
  const lives = [...known].filter(
    ([name, { tried, nextAtMs }]) =>
      tried > 0 && nowMs < nextAtMs + forgottenAfterMs && gone.every((route) => route.name !== name),
  );
  const found = gone.map(({ name, serverId }): [string, Attempts] => {
    // For the first time: a command may be at it already, so it is left to the person until the next regular look.
    const { tried, nextAtMs } = known.get(name) ?? { tried: 0, nextAtMs: nowMs + lookEveryMs / 2 };
    return [name, { tried, nextAtMs: tried === 0 && reported.has(serverId) ? nowMs : nextAtMs }];
  });
  return new Map([...lives, ...found]);
}

export function isDue(attempts: Attempts | undefined, nowMs: number): boolean {
  return attempts !== undefined && attempts.nextAtMs <= nowMs;
}

export function afterAttempt({ tried }: Attempts, nowMs: number): Attempts {
  return { tried: tried + 1, nextAtMs: nowMs + Math.min(longestWaitMs, lookEveryMs * 2 ** tried) };
}
