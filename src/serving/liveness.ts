// Whether the server behind a route still does its work: it has not ended, answers, names the version, and is awake.
import type { Engine, ModelServer } from '../engine/engine.js';
import { askServer } from './server-client.js';

/** `asleep`: it answers for itself, and has given its model's memory to another one. */
export type Condition = 'gone' | 'asleep' | 'awake';

type Servers = Pick<Engine, 'listServers'>;

export async function isServerAlive(engine: Servers, server: { id: string; address: string }): Promise<boolean> {
  return (await serverCondition(engine, server)) === 'awake';
}

export async function serverCondition(engine: Servers, server: { id: string; address: string }): Promise<Condition> {
  const found = (await engine.listServers()).find(({ id }) => id === server.id);
  return found === undefined ? 'gone' : conditionOf({ ...found, address: server.address });
}

/** One that started again may have lost what was loaded into it. */
export async function conditionOf({
  state,
  address,
  servedName,
}: Pick<ModelServer, 'state' | 'address' | 'servedName'>): Promise<Condition> {
  // A container's own health check lags behind by seconds: one that has just become ready is still starting for it.
  if (state === 'exited') return 'gone';
  const [health, names, asleep] = await askServer(address, (client) =>
    Promise.all([client.health(), client.names(servedName), client.isAsleep()]),
  );
  if (!health.ok || !names.ok) return 'gone';
  return asleep === true ? 'asleep' : 'awake';
}
