// Whether the server behind a route still does its work: it has not ended, answers, and names the version.
import type { Engine, ModelServer } from '../engine/engine.js';
import { serverClient } from './server-client.js';

export async function isServerAlive(
  engine: Pick<Engine, 'listServers'>,
  server: { id: string; address: string },
): Promise<boolean> {
  const found = (await engine.listServers()).find(({ id }) => id === server.id);
  return found !== undefined && answersAsItself({ ...found, address: server.address });
}

/** One that started again may have lost what was loaded into it. */
export async function answersAsItself({
  state,
  address,
  servedName,
}: Pick<ModelServer, 'state' | 'address' | 'servedName'>): Promise<boolean> {
  // A container's own health check lags behind by seconds: one that has just become ready is still starting for it.
  if (state === 'exited') return false;
  const client = serverClient(address);
  try {
    const [health, names] = await Promise.all([client.health(), client.names(servedName)]);
    return health.ok && names.ok;
  } finally {
    await client.close();
  }
}
