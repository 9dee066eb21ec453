// Who has the lines of a name: an engine that runs a service or a model server of that name, or of a model of that name.
import { MlxError } from '../errors.js';
import { stackServices, type StackEngine } from './services.js';

export type LogSource = { file: string } | { engine: StackEngine; name: string };

/** `left`: the log that a stopped process of that name left. @throws MlxError NOT_FOUND with what there is */
export async function findSource(
  engines: readonly StackEngine[],
  name: string,
  left: string | undefined,
): Promise<LogSource> {
  const known: string[] = [];
  for (const engine of engines) {
    const services = await Promise.all(stackServices.map((service) => engine.serviceState(service.name)));
    const present = services.filter(({ state }) => state !== 'absent');
    const servers = (await engine.listServers()).toSorted((a, b) => b.startedAtMs - a.startedAtMs);
    const newest = servers.find((server) => server.id === name || server.model === name);
    const found = newest?.id ?? present.find((service) => service.name === name)?.name;
    if (found !== undefined) return { engine, name: found };
    known.push(...present.map((service) => service.name), ...servers.map(({ id }) => id));
  }
  if (left !== undefined) return { file: left };
  throw new MlxError('NOT_FOUND', `Nothing called '${name}' runs or ran here.`, {
    hint: known.length === 0 ? 'See runs: mlx runs ls; start MLflow: mlx up' : `There are: ${known.join(', ')}`,
  });
}
