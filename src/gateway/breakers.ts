// The breakers of all upstreams, by the id of the destination: a name of `upstreams:`, or a model server's.
import { begin, closedBreaker, permits, settle, type Breaker, type Verdict } from './breaker.js';
import type { Clock } from './clock.js';

export type Breakers = {
  stateOf: (id: string) => Breaker['state'];
  /** Milliseconds until the next call may probe; 0 when one may begin now. */
  closedForMs: (id: string) => number;
  /** @returns undefined when no call may begin; else what ends the call, once. A worker has to ask before it may probe. */
  begin: (id: string) => EndCall | undefined | Promise<EndCall | undefined>;
  /** An answer that broke off after it had begun. */
  countFailure: (id: string) => void;
  keepOnly: (ids: ReadonlySet<string>) => void;
};

export type EndCall = (verdict: Verdict) => void;

/** Where the breakers themselves are. */
export type LocalBreakers = Omit<Breakers, 'begin'> & {
  begin: (id: string) => EndCall | undefined;
  /** A call that a worker made by itself. */
  count: (id: string, verdict: Verdict) => void;
  states: () => Record<string, Breaker['state']>;
};

export function openBreakers(clock: Clock): LocalBreakers {
  const breakers = new Map<string, Breaker>();
  const breakerOf = (id: string): Breaker => breakers.get(id) ?? closedBreaker;
  /** One that nothing is to be said of is not kept. */
  const keep = (id: string, breaker: Breaker): void => {
    if (breaker === closedBreaker) breakers.delete(id);
    else breakers.set(id, breaker);
  };
  const count = (id: string, verdict: Verdict): void =>
    keep(id, settle(breakerOf(id), { probe: false, verdict }, clock.nowMs()));
  return {
    stateOf: (id) => breakerOf(id).state,
    closedForMs: (id) => {
      const breaker = breakerOf(id);
      return breaker.state === 'open' ? Math.max(0, breaker.untilMs - clock.nowMs()) : 0;
    },
    begin: (id) => {
      if (!permits(breakerOf(id), clock.nowMs())) return undefined;
      const { breaker, probe } = begin(breakerOf(id));
      keep(id, breaker);
      let ended = false;
      return (verdict) => {
        if (ended) return;
        ended = true;
        keep(id, settle(breakerOf(id), { probe, verdict }, clock.nowMs()));
      };
    },
    count,
    countFailure: (id) => count(id, 'failed'),
    states: () => Object.fromEntries([...breakers].map(([id, { state }]) => [id, state])),
    keepOnly: (ids) => {
      for (const id of breakers.keys()) if (!ids.has(id)) breakers.delete(id);
    },
  };
}
