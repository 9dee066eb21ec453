// Connections to model servers, and how many requests each one has open: draining asks for that number.
import { Pool, type Dispatcher } from 'undici';

import { parseAddress } from '../engine/address.js';
import type { Route } from '../ledger/promotions.js';

export type Lease = {
  dispatcher: Dispatcher;
  /** Call once the answer is over, however it ended; calling it again does nothing. */
  release: () => void;
};

export type Upstreams = {
  /** Counts the request in the same tick in which its route was read: a switch can never miss it. */
  lease: (route: Route) => Lease;
  /** Servers with open requests. */
  open: () => Record<string, number>;
  /** Closes the idle connections to servers that no route names any more; open answers go on to their end. */
  keepOnly: (serverIds: ReadonlySet<string>) => void;
  close: () => Promise<void>;
};

const connectTimeoutMs = 3_000;

/** undici's own names; milliseconds. */
const timeouts = {
  /** A whole answer without streaming is silent until it is ready. */
  headersTimeout: 600_000,
  bodyTimeout: 120_000,
  /** Shorter than uvicorn's 5 s, so that no request meets a connection that the server is just closing. */
  keepAliveTimeout: 2_000,
  keepAliveMaxTimeout: 2_000,
};

export function openUpstreams(): Upstreams {
  const pools = new Map<string, Pool>();
  const open = openCounter();
  const poolOf = (route: Route): Pool => {
    const pool = pools.get(route.serverId) ?? openPool(route);
    pools.set(route.serverId, pool);
    return pool;
  };
  return {
    lease: (route) => ({ dispatcher: poolOf(route), release: open.begin(route.serverId) }),
    open: open.counts,
    keepOnly: (serverIds) => {
      for (const [serverId, pool] of pools) {
        if (serverIds.has(serverId)) continue;
        pools.delete(serverId);
        // Waits for open answers by itself; what fails on the way failed for its own request already.
        pool.close().catch(() => undefined);
      }
    },
    close: async () => {
      await Promise.all([...pools.values()].map((pool) => pool.destroy()));
      pools.clear();
    },
  };
}

function openPool(route: Route): Pool {
  const { origin, socketPath } = parseAddress(route.address);
  return new Pool(origin, { ...timeouts, connect: { socketPath, timeout: connectTimeoutMs }, pipelining: 1 });
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
