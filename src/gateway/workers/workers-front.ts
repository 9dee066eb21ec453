// Several processes in front: they answer requests; all that has to be exact over all of them stays in this one.
import { errorMessage } from '../../errors.js';
import type { Behind, Front, Load } from '../front.js';
import { destinationIds } from '../routing.js';
import type { Snapshot, WorkerCalls } from './calls.js';
import type { Channel } from './channel.js';
import { openCrew, type Crew } from './crew.js';
import { openDesk } from './desk.js';
import { shareBreakers } from './shared-breakers.js';

/** @throws MlxError PORT_TAKEN, GATEWAY_FAILED */
export async function openWorkersFront({ port, drainTimeoutMs, warn, ...behind }: Behind): Promise<Front> {
  const { routing, clients, gone } = behind;
  const count = routing.config().gateway.workers;
  const snapshot = (): Snapshot => {
    const { gateway, upstreams, routes } = routing.config();
    const config = { gateway, upstreams, routes };
    return { config, routing: routing.current(), keys: clients.keys(), port, workers: count };
  };
  const toAll = (tell: (worker: Channel<WorkerCalls>) => void): void => {
    for (const { channel, greeted } of crew?.members() ?? []) if (greeted) tell(channel);
  };
  const breakers = shareBreakers(behind.breakers, (view) => toAll((worker) => worker.tell('breaker', view)));
  gone.onChange((cares) => toAll((worker) => worker.tell('cares', cares)));
  // Breakers may change while the last worker is still starting.
  let crew: Crew | undefined = undefined;
  const metrics = async (): Promise<string> => clients.metrics((await loadOf(crew)).inFlight);
  crew = await openCrew({
    ...{ count, port },
    onLost: (pid, why) => {
      warn(`Worker ${pid} ended (${why}); another takes its place.`);
      clients.log('worker_lost', { workerPid: pid, why });
    },
    openDesk: () => openDesk({ clients, breakers, gone, metrics }),
    welcome: (worker) => {
      // Whether it took it in is told by `listening`.
      worker.ask('use', snapshot()).catch(() => undefined);
      for (const view of breakers.views()) worker.tell('breaker', view);
      const cares = gone.cares();
      if (cares) worker.tell('cares', cares);
    },
  });
  const renew = async (): Promise<void> => void (await crew.askAll('use', snapshot()));
  routing.onChange(() => breakers.keepOnly(destinationIds(routing.current())));
  clients.onKeysChanged(
    () => void renew().catch((error: unknown) => warn(`Workers kept old keys: ${errorMessage(error)}`)),
  );
  return { port: crew.port, load: () => loadOf(crew), renew, stop: () => crew.end(drainTimeoutMs) };
}

async function loadOf(crew: Crew | undefined): Promise<Load> {
  const inFlight: Record<string, number> = {};
  const answers = (await crew?.askAll('inFlight', undefined)) ?? [];
  const workers = answers.map(({ pid, answer }) => {
    for (const [id, count] of Object.entries(answer)) inFlight[id] = (inFlight[id] ?? 0) + count;
    return { pid, openRequests: Object.values(answer).reduce((sum, count) => sum + count, 0) };
  });
  return { inFlight, workers };
}
