// Why the server of a route cannot be put to sleep: what others need of it, what it says itself, what the machine's memory has room for. Reads only.
import { listRoutes, type Route } from '../ledger/promotions.js';
import { findVersion } from '../ledger/versions.js';
import { askServer } from '../serving/server-client.js';
import type { PromotionEdges } from './edges.js';
import { sleepRoomObstacle } from './strategy.js';

type Edges = Pick<PromotionEdges, 'ledger' | 'engine' | 'weightBytes' | 'freeMemoryBytes'>;

/** null: it can. Asked of the server that runs, and never assumed. */
export async function sleepObstacleOf(edges: Edges, route: Route): Promise<string | null> {
  const sharer = listRoutes(edges.ledger).find(({ name, address }) => name !== route.name && address === route.address);
  if (sharer) return `the route ${sharer.name} leads to it as well`;
  if (!(await offersSleep(route.address))) return 'it offers none (vLLM on a GPU does, with serving.sleep_mode)';
  const version = findVersion(edges.ledger, `${route.model}:${route.version}`);
  return sleepRoomObstacle(edges.weightBytes(version), edges.freeMemoryBytes());
}

async function offersSleep(address: string): Promise<boolean> {
  return (await askServer(address, (client) => client.isAsleep())) !== undefined;
}
