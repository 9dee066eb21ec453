// Requests that wait while the server of their route is replaced: a bounded number, for a bounded time, then an honest 503.
import type { Departure } from './departure.js';
import { refuse, type GatewayRequest, type GatewayResponse } from './exchange.js';
import type { Routing } from './routing.js';
import { localUpstream } from '../config/upstream-schema.js';

export type Holds = {
  /** Returns at once where nothing is held. A response refuses. */
  pass: (request: GatewayRequest, name: string) => Promise<GatewayResponse | undefined>;
  /** After each change of the routing: whoever waits looks again. */
  changed: () => void;
  waiting: () => number;
};

const mostWaiting = 1_000;
const retryAfterS = 5;

export function openHolds(routing: () => Routing, nowMs: () => number): Holds {
  let waiting = 0;
  const wakes = new Set<() => void>();
  const wait = async (request: GatewayRequest, name: string, untilMs: number): Promise<GatewayResponse | undefined> => {
    if (waiting >= mostWaiting) return comeAgain(request, name, 'too many requests wait for it already');
    waiting += 1;
    try {
      for (let until: number | undefined = untilMs; until !== undefined; until = heldUntil(routing(), name)) {
        if (request.departure.gone() || until <= nowMs())
          return comeAgain(request, name, 'it takes longer than it should');
        await nextChange(wakes, request.departure, until - nowMs());
      }
      return undefined;
    } finally {
      waiting -= 1;
    }
  };
  return {
    pass: async (request, name) => {
      const untilMs = heldUntil(routing(), name);
      return untilMs === undefined ? undefined : wait(request, name, untilMs);
    },
    changed: () => {
      for (const wake of wakes) wake();
    },
    waiting: () => waiting,
  };
}

/** Of a route by the model server that it asks first. Pure. */
export function heldUntil({ routes, holds }: Routing, name: string): number | undefined {
  if (holds.size === 0) return undefined;
  const primary = routes.get(name)?.primary;
  return primary?.upstream === localUpstream ? holds.get(primary.model) : undefined;
}

/** A change of the routing, the end of the time, or a client that went away. */
function nextChange(wakes: Set<() => void>, departure: Departure, atMostMs: number): Promise<void> {
  return new Promise((resolve) => {
    const wake = (): void => {
      clearTimeout(timer);
      wakes.delete(wake);
      stay();
      resolve();
    };
    const timer = setTimeout(wake, atMostMs);
    wakes.add(wake);
    const stay = departure.onGone(wake);
  });
}

function comeAgain(request: GatewayRequest, name: string, why: string): GatewayResponse {
  request.trace.errorClass = 'held';
  return refuse(
    request,
    {
      status: 503,
      type: 'server_error',
      code: 'switching',
      message: `${name} is being switched to another version, and ${why}. Try again in ${retryAfterS} s.`,
    },
    { 'retry-after': String(retryAfterS) },
  );
}
