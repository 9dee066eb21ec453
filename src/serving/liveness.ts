// Whether the server behind a route still does its work: it has not ended, answers, and names the version.
import type { Engine } from '../engine/engine.js';
import { serverClient } from './server-client.js';

export async function isServerAlive(
  engine: Pick<Engine, 'listServers'>,
  server: { id: string; address: string },
): Promise<boolean> {
  const found = (await engine.listServers()).find(({ id }) => id === server.id);
  // A container's own health check lags behind by seconds: one that has just become ready is still starting for it.
  if (found === undefined || found.state === 'exited') return false;
  const client = serverClient(server.address);
  try {
    // One that started again may have lost what was loaded into it.
    return (await client.health()).ok && (await client.names(found.servedName)).ok;
  } finally {
    await client.close();
  }
}
