// Whether the server behind a route still does its work: it is listed as running, answers, and names the version.
import type { Engine } from '../engine/engine.js';
import { serverClient } from './server-client.js';

export async function isServerAlive(
  engine: Pick<Engine, 'listServers'>,
  server: { id: string; address: string },
): Promise<boolean> {
  const found = (await engine.listServers()).find(({ id }) => id === server.id);
  if (found?.state !== 'running') return false;
  const client = serverClient(server.address);
  try {
    // One that started again may have lost what was loaded into it.
    return (await client.health()).ok && (await client.names(found.servedName)).ok;
  } finally {
    await client.close();
  }
}
