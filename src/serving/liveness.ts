// Whether the server behind a route still does its work: it is listed as running, and it answers.
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
    return (await client.health()).ok;
  } finally {
    await client.close();
  }
}
