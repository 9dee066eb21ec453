// One worker of the gateway: the same app as of a gateway without workers, on a part of the connections. What counts and limits is
// asked of the primary; routes, keys and settings come from it. It ends with it.
import type { Server } from 'node:http';

import type { Paths } from '../../config/paths.js';
import { errorMessage, MlxError } from '../../errors.js';
import { systemClock } from '../clock.js';
import { openGoneServers } from '../gone-servers.js';
import { drain, listen } from '../listening.js';
import { serveHandler } from '../node-server.js';
import { openParts, serveApp } from '../parts.js';
import type { PrimaryCalls, WorkerCalls } from './calls.js';
import { openChannel, type Channel } from './channel.js';
import { openLatest } from './latest.js';
import { remoteBreakers } from './shared-breakers.js';
import { openWorkerClients } from './worker-clients.js';

export type WorkerSettings = { paths: Pick<Paths, 'prompts' | 'secrets'>; now: () => Date };

/** Never returns: the process ends when the primary lets it go, or is gone itself. */
export async function runWorker(settings: WorkerSettings): Promise<never> {
  obeyPrimaryAlone();
  const latest = openLatest();
  let drainAll: WorkerCalls['drain'] = async () => undefined;
  let inFlight = (): Record<string, number> => ({});
  const calls: WorkerCalls = {
    use: latest.use,
    breaker: (view) => note(view),
    cares: (cares) => gone.use(cares),
    inFlight: () => inFlight(),
    drain: (timeoutMs) => drainAll(timeoutMs),
  };
  const send = (packets: unknown[]): void => void (process.connected && process.send?.(packets));
  const primary = openChannel<PrimaryCalls, WorkerCalls>(send, calls);
  const { breakers, note } = remoteBreakers(systemClock, primary);
  const gone = openGoneServers(Date.now, (serverId) => primary.tell('gone', serverId));
  process.on('message', primary.receive);
  primary.tell('hello', undefined);
  const { workers, ...first } = await latest.first;
  let { port } = first;
  const parts = openParts(breakers, gone.gone);
  const clients = await openWorkerClients(settings, latest, primary);
  latest.onUse(clients.reload);
  const serving = serveHandler(
    serveApp(parts, {
      ...{ routing: latest, stages: clients.stages, finish: clients.finish, port: () => port },
      metrics: () => primary.ask('metrics', undefined),
      mostInFlight: () => Math.max(1, Math.floor(latest.config().gateway.maxInFlight / workers)),
    }),
    clients.finish,
  );
  inFlight = parts.upstreams.open;
  drainAll = async (timeoutMs) => {
    await drain(serving, timeoutMs);
    await parts.close();
    await clients.close();
  };
  port = await listenFor(primary, serving.server, port);
  return new Promise(() => undefined);
}

async function listenFor(primary: Channel<PrimaryCalls>, server: Server, port: number): Promise<number> {
  try {
    const taken = await listen(server, port);
    primary.tell('listening', taken);
    return taken;
  } catch (error) {
    primary.tell('cannotListen', error instanceof MlxError ? error.code : errorMessage(error));
    return port;
  }
}

/** Ctrl-C and a closed terminal reach every process of a group; what to do then is the primary's to say. */
function obeyPrimaryAlone(): void {
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.removeAllListeners(name);
    process.on(name, () => undefined);
  }
  process.once('disconnect', () => process.exit(0));
}
