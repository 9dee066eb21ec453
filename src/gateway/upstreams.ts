// Connections to upstreams, and how many requests each one has open: draining asks for that number.
import { Pool, type Dispatcher } from 'undici';

import type { Destination } from './routing.js';

export type Lease = {
  dispatcher: Dispatcher;
  /** Call once the answer is over, however it ended; calling it again does nothing. */
  release: () => void;
};

export type Upstreams = {
  /** Counts the request in the same tick in which its route was read: a switch can never miss it. */
  lease: (destination: Destination) => Lease;
  /** Destinations with open requests, by id. */
  open: () => Record<string, number>;
  /** Closes the idle connections to those that nothing names any more; open answers go on to their end. */
  keepOnly: (ids: ReadonlySet<string>) => void;
  close: () => Promise<void>;
};

/** undici's own names; milliseconds. Phases have their own timers (phases.ts): these are only the outermost bounds. */
const timeouts = {
  headersTimeout: 0,
  bodyTimeout: 0,
  /** Shorter than uvicorn's 5 s, so that no request meets a connection that the server is just closing. */
  keepAliveTimeout: 2_000,
  keepAliveMaxTimeout: 2_000,
};
const connectTimeoutMs = 60_000;

type OpenPool = { id: string; pool: Pool };

export function openUpstreams(): Upstreams {
  const pools = new Map<string, OpenPool>();
  const open = openCounter();
  const poolOf = (destination: Destination): Pool => {
    const { id, origin, socketPath } = destination;
    const key = `${id} ${socketPath ?? origin}`;
    const known = pools.get(key);
    if (known) return known.pool;
    const pool = new Pool(origin, { ...timeouts, connect: { socketPath, timeout: connectTimeoutMs }, pipelining: 1 });
    pools.set(key, { id, pool });
    return pool;
  };
  return {
    lease: (destination) => ({ dispatcher: poolOf(destination), release: open.begin(destination.id) }),
    open: open.counts,
    keepOnly: (ids) => {
      for (const [key, { id, pool }] of pools) {
        if (ids.has(id)) continue;
        pools.delete(key);
        // Waits for open answers by itself; what fails on the way failed for its own request already.
        pool.close().catch(() => undefined);
      }
    },
    close: async () => {
      await Promise.all([...pools.values()].map(({ pool }) => pool.destroy()));
      pools.clear();
    },
  };
}

/** `begin` returns the end of that one request, which counts once. */
function openCounter() {
  const counts = new Map<string, number>();
  const add = (serverId: string, change: number): void => {
    const count = (counts.get(serverId) ?? 0) + change;
    if (count === 0) counts.delete(serverId);
    else counts.set(serverId, count);
  };
  return {
    counts: () => Object.fromEntries(counts),
    begin: (serverId: string) => {
      let ended = false;
      add(serverId, 1);
      return () => {
        if (!ended) add(serverId, -1);
        ended = true;
      };
    },
  };
}
