// When a model server that is gone is started again: at once where a request told of it, else one regular look after the one that finds it
// gone; one that does not stay up more and more seldom. Pure.
import type { Route } from '../ledger/promotions.js';
import { lookEveryMs, restBetweenMs } from './looks.js';

/** Of a route: how often its server was started again, how often it was left to Docker, and when it may be seen to next. */
export type Attempts = { tried: number; left: number; nextAtMs: number };

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
    ([name, { tried, left, nextAtMs }]) =>
      tried + left > 0 && nowMs < nextAtMs + forgottenAfterMs && gone.every((route) => route.name !== name),
  );
  const found = gone.map(({ name, serverId }): [string, Attempts] => {
    // For the first time: a command may be at it already, so it is left to the person until the next regular look.
    const { tried, left, nextAtMs } = known.get(name) ?? { tried: 0, left: 0, nextAtMs: nowMs + lookEveryMs };
    return [name, { tried, left, nextAtMs: tried + left === 0 && reported.has(serverId) ? nowMs : nextAtMs }];
  });
  return new Map([...lives, ...found]);
}

export function isDue(attempts: Attempts | undefined, nowMs: number): boolean {
  return attempts !== undefined && attempts.nextAtMs <= nowMs;
}

export function afterAttempt({ tried, left }: Attempts, nowMs: number): Attempts {
  return { tried: tried + 1, left, nextAtMs: nowMs + Math.min(longestWaitMs, lookEveryMs * 2 ** tried) };
}

/**
 * Nothing was started: Docker is at it, or has not seen yet that the container ended, which it does only when all of its memory is freed. The
 * socket is gone before.
 */
export function afterNothing({ tried, left }: Attempts, nowMs: number): Attempts {
  return { tried, left: left + 1, nextAtMs: nowMs + Math.min(longestWaitMs, restBetweenMs * 2 ** left) };
}

/** null: nothing is known of any. */
export function nextAttemptMs(known: KnownAttempts, gone: readonly Pick<Route, 'name'>[]): number | null {
  const times = gone.flatMap(({ name }) => known.get(name)?.nextAtMs ?? []);
  return times.length === 0 ? null : Math.min(...times);
}
