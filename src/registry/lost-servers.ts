// Routes whose model server is gone for good: a process that ended, a container that was removed or stopped behind mlx's back. What the
// engine starts again by itself is left to it. Touches what `mlx serve` touches.
import type { ModelServer } from '../engine/engine.js';
import type { Ledger } from '../ledger/open.js';
import { listRoutes, openPromotions, type Route } from '../ledger/promotions.js';
import { listSplits } from '../ledger/route-splits.js';
import type { PromotionEdges } from './edges.js';
import { promote, type PromotionResult } from './promote.js';
import { canaryAlias, drillAlias, routeName, serveCandidate } from './targets.js';

/** As `mlx serve` would, one after the other. @returns what became of each */
export async function restartLostServers(edges: PromotionEdges, actor: string): Promise<PromotionResult[]> {
  const results: PromotionResult[] = [];
  for (const route of restingRoutes(edges.ledger)) {
    if (route.name === routeName(route.model, canaryAlias)) continue;
    const servers = await (await edges.engine(route.engine)).listServers();
    if (!isGone(servers.find(({ id }) => id === route.serverId))) continue;
    edges.onNote(`The model server of ${route.name} (${route.serverId}) is gone; it is started again.`);
    const candidate = serveCandidate(edges.ledger, route.name);
    results.push(await promote(edges, { ...candidate, kind: 'promote', actor, reason: 'its model server was gone' }));
  }
  return results;
}

/** Those that no command is at work on. A drill's belongs to its command, and so does a share that is stepped. */
export function restingRoutes(ledger: Ledger): Route[] {
  const busy = new Set(openPromotions(ledger).map(({ model }) => model));
  const stepped = new Set(listSplits(ledger).flatMap(({ candidate, owner }) => (owner === null ? [] : [candidate])));
  return listRoutes(ledger).filter(
    ({ name, model }) => !busy.has(model) && name !== routeName(model, drillAlias) && !stepped.has(name),
  );
}

function isGone(server: ModelServer | undefined): boolean {
  return server === undefined || (server.state === 'exited' && server.restarting !== true);
}
