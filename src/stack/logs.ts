// Who has the lines of a name: an engine that runs a service or a model server of that name, or of a model of that name.
import type { ModelServer } from '../engine/engine.js';
import { stackServices, type StackEngine } from './services.js';

export type LogSource = { engine: StackEngine; name: string };

export async function findSource(engines: readonly StackEngine[], name: string): Promise<LogSource | undefined> {
  for (const engine of engines) {
    const newest = (await newestServers(engine)).find((server) => namesOf(server).includes(name));
    const found = newest?.id ?? (await presentServices(engine)).find((service) => service === name);
    if (found !== undefined) return { engine, name: found };
  }
  return undefined;
}

/** `tickets-v1-3fa91c`, `tickets`, `tickets:1`. */
function namesOf({ id, model, version }: ModelServer): string[] {
  return [id, model, `${model}:${version}`];
}

/** Names that have lines, for an error that says what there is. */
export async function knownSources(engines: readonly StackEngine[]): Promise<string[]> {
  const perEngine = engines.map(async (engine) => [
    ...(await presentServices(engine)),
    ...(await newestServers(engine)).map(({ id }) => id),
  ]);
  return (await Promise.all(perEngine)).flat();
}

async function presentServices(engine: StackEngine): Promise<string[]> {
  const states = await Promise.all(stackServices.map((service) => engine.serviceState(service.name)));
  return states.filter(({ state }) => state !== 'absent').map(({ name }) => name);
}

async function newestServers(engine: StackEngine): Promise<ModelServer[]> {
  return (await engine.listServers()).toSorted((a, b) => b.startedAtMs - a.startedAtMs);
}
