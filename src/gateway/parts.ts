// What a process that answers requests remembers between them, empty at the start, and the app around it.
import { createApp } from './app.js';
import type { Breakers } from './breakers.js';
import { systemClock } from './clock.js';
import type { Handler } from './exchange.js';
import type { GoneServers } from './gone-servers.js';
import { openHolds } from './holds.js';
import type { GatewayConfig } from './live-routing.js';
import { openAdmission } from './middleware/admission.js';
import type { Finished } from './node-server.js';
import { openRetryBudget } from './retry.js';
import { destinationIds, type Routing } from './routing.js';
import { openShadows } from './shadow.js';
import type { Stages } from './stages.js';
import { openUpstreams } from './upstreams.js';

/** Routes and settings as they are now. */
export type CurrentRouting = {
  current: () => Routing;
  config: () => GatewayConfig;
  /** `listener` is called after each change. */
  onChange: (listener: () => void) => void;
};

export type Around = {
  routing: CurrentRouting;
  stages: Stages;
  finish: (finished: Finished) => void;
  /** In the text format of Prometheus. */
  metrics: () => Promise<string>;
  port: () => number;
  /** Requests at once that this process takes. */
  mostInFlight?: () => number;
};

export type Parts = ReturnType<typeof openParts>;

export function openParts(breakers: Breakers, gone: GoneServers) {
  const upstreams = openUpstreams();
  const shadows = openShadows();
  return {
    ...{ upstreams, breakers, gone, shadows },
    retries: openRetryBudget(),
    clock: systemClock,
    random: Math.random,
    /** Open answers were finished before. */
    close: async (): Promise<void> => {
      shadows.stop();
      await upstreams.close();
    },
  };
}

export function serveApp(parts: Parts, { routing, stages, finish, metrics, port, mostInFlight }: Around): Handler {
  const holds = openHolds(routing.current, Date.now);
  routing.onChange(() => {
    const ids = destinationIds(routing.current());
    parts.upstreams.keepOnly(ids);
    parts.breakers.keepOnly(ids);
    holds.changed();
  });
  const admission = openAdmission(mostInFlight ?? (() => routing.config().gateway.maxInFlight));
  return createApp({
    ...parts,
    ...{ stages, metrics, port, holds },
    routing: routing.current,
    onShadow: finish,
    admission: admission.limit,
  });
}
