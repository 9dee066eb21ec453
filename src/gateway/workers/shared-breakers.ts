// The breakers as workers use them. They are in the primary; a worker knows which are not plainly closed, and asks before it
// probes. While an upstream is well, nothing is said of it.
import { isDeepStrictEqual } from 'node:util';

import type { Verdict } from '../breaker.js';
import type { Breakers, EndCall, LocalBreakers } from '../breakers.js';
import type { Clock } from '../clock.js';
import type { BreakerView, PrimaryCalls } from './calls.js';
import type { Channel } from './channel.js';

export type SharedBreakers = {
  views: () => BreakerView[];
  count: LocalBreakers['count'];
  begin: LocalBreakers['begin'];
  keepOnly: LocalBreakers['keepOnly'];
};

/** In the primary. @param tell every worker */
export function shareBreakers(breakers: LocalBreakers, tell: (view: BreakerView) => void): SharedBreakers {
  const told = new Map<string, BreakerView>();
  const viewOf = (id: string): BreakerView => {
    const troubled = id in breakers.states();
    return { id, state: breakers.stateOf(id), troubled, closedForMs: breakers.closedForMs(id) };
  };
  const changed = (id: string): void => {
    const view = viewOf(id);
    const before = told.get(id);
    // An open one's time runs by itself.
    if (before && isDeepStrictEqual({ ...before, closedForMs: 0 }, { ...view, closedForMs: 0 })) return;
    if (view.troubled) told.set(id, view);
    else told.delete(id);
    tell(view);
  };
  return {
    views: () => Object.keys(breakers.states()).map(viewOf),
    count: (id, verdict) => {
      breakers.count(id, verdict);
      changed(id);
    },
    begin: (id) => {
      const end = breakers.begin(id);
      changed(id);
      return (
        end &&
        ((verdict) => {
          end(verdict);
          changed(id);
        })
      );
    },
    // Workers drop theirs with the same routes; one that comes back is told anew.
    keepOnly: (ids) => {
      breakers.keepOnly(ids);
      for (const id of told.keys()) if (!ids.has(id)) told.delete(id);
    },
  };
}

/** In a worker. */
export function remoteBreakers(clock: Clock, primary: Channel<PrimaryCalls>) {
  const troubled = new Map<string, BreakerView & { untilMs: number }>();
  const closedForMs = (id: string): number => Math.max(0, (troubled.get(id)?.untilMs ?? 0) - clock.nowMs());
  const tell = (id: string, verdict: Verdict): void => {
    if (verdict === 'failed' || (verdict === 'well' && troubled.has(id))) primary.tell('verdict', { id, verdict });
  };
  const probe = async (id: string): Promise<EndCall | undefined> => {
    const granted = await primary.ask('probe', id);
    return granted && once((verdict) => primary.tell('probed', { ...granted, verdict }));
  };
  const breakers: Breakers = {
    stateOf: (id) => troubled.get(id)?.state ?? 'closed',
    closedForMs,
    begin: (id) => {
      const state = troubled.get(id)?.state ?? 'closed';
      if (state === 'closed') return once((verdict) => tell(id, verdict));
      return state === 'open' && closedForMs(id) === 0 ? probe(id) : undefined;
    },
    countFailure: (id) => tell(id, 'failed'),
    keepOnly: (ids) => {
      for (const id of troubled.keys()) if (!ids.has(id)) troubled.delete(id);
    },
  };
  const note = (view: BreakerView): void => {
    if (view.troubled) troubled.set(view.id, { ...view, untilMs: clock.nowMs() + view.closedForMs });
    else troubled.delete(view.id);
  };
  return { breakers, note };
}

function once(end: EndCall): EndCall {
  let ended = false;
  return (verdict) => {
    if (!ended) end(verdict);
    ended = true;
  };
}
