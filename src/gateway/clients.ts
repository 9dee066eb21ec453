// What the running gateway does around its routes: who may ask, how much, with what content, and what became of it.
import { join } from 'node:path';

import type { ApiKey } from '../ledger/keys.js';
import { openCaptures, type CaptureEdges, type Captures } from './capture/recorder.js';
import { openContent, type Content } from './content.js';
import type { BudgetState } from './control-api.js';
import { gatewayKey } from './key.js';
import { liveKeys } from './keys/live.js';
import { livePrices } from './live-prices.js';
import type { LiveRouting } from './live-routing.js';
import { openGatewayLog, type GatewayLog } from './log.js';
import { openMetering, type RunningMetering } from './metering.js';
import { authorize } from './middleware/keys.js';
import type { Finished } from './node-server.js';
import type { GatewaySettings } from './server.js';
import type { Stages } from './stages.js';

export type Clients = {
  stages: Stages;
  finish: (finished: Finished) => void;
  /** After the routing was read anew. */
  reload: () => Promise<void>;
  budgets: () => BudgetState[];
  /** For workers, whose requests are counted here. */
  counting: Counting;
  keys: () => readonly ApiKey[];
  /** `listener` is called after each change of the keys. */
  onKeysChanged: (listener: () => void) => void;
  /** Into .mlx/run/gateway.log. */
  log: GatewayLog['write'];
  /** In the text format of Prometheus. */
  metrics: (inFlight: Record<string, number>) => string;
  close: () => Promise<void>;
};

export type Counting = Pick<RunningMetering, 'keeper' | 'beginBusy'>;

export async function openClients({ paths, now, warn }: GatewaySettings, routing: LiveRouting): Promise<Clients> {
  const prices = await livePrices(routing.current);
  const log = openGatewayLog(join(paths.run, 'gateway.log'), now);
  const listeners: (() => void)[] = [];
  const keys = liveKeys(paths.ledgerFile, gatewayKey(paths.secrets), () => {
    metering.keysChanged();
    for (const listener of listeners) listener();
  });
  const { content, captures } = openWords(paths, routing, { now, warn, log: log.write });
  const metering = openMetering({
    ...{ trafficFile: paths.trafficFile, settings: routing.config().gateway.metering, catalogue: prices.catalogue },
    ...{ ring: keys.ring, now, warn, log, captures },
    targetsOf: (name) => routing.current().reachable.get(name) ?? [],
    urlOf: (upstream) => routing.current().upstreams.get(upstream)?.url,
  });
  return {
    stages: {
      ...{ authorize: authorize(keys.ring, () => now().getTime()), capture: captures.stage },
      ...{ ...content.stages, ...metering.stages },
    },
    ...{ finish: metering.finish, budgets: metering.budgets, metrics: metering.metrics },
    ...{ counting: metering, log: log.write },
    keys: () => keys.ring().keys,
    onKeysChanged: (listener) => void listeners.push(listener),
    reload: async () => {
      await prices.reload();
      keys.reload();
      metering.reload(routing.config().gateway.metering);
    },
    close: async () => {
      keys.close();
      metering.flush();
      // Before what finds names for it.
      await captures.close();
      await content.close();
      await metering.close();
      await log.close();
    },
  };
}

/** What is done with the words themselves: prompts put in, identifiers taken out, some of them kept. */
function openWords(
  paths: GatewaySettings['paths'],
  routing: LiveRouting,
  edges: Pick<CaptureEdges, 'now' | 'warn' | 'log'>,
): { content: Content; captures: Captures } {
  const content = openContent({
    promptsFolder: paths.prompts,
    redaction: () => routing.config().gateway.redaction,
    routeOf: (name) => routing.current().routes.get(name),
  });
  const captures = openCaptures({
    ...{ ...edges, folder: paths.captures, rulesOf: content.captureRules },
    percentOf: (name) => routing.current().routes.get(name)?.capturePercent ?? 0,
    keptMs: () => routing.config().gateway.capturesKeptMs,
  });
  return { content, captures };
}
