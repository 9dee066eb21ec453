// Takes a canary or a shadow away: all requests go to the route's own version again, and the candidate's server is stopped unless it
// has the route by now. Touches: route_splits, the candidate's route, the gateway's memory, model servers.
import { findRoute, listRoutes, openPromotions } from '../ledger/promotions.js';
import { deleteSplit, findSplit } from '../ledger/route-splits.js';
import { isServerAlive } from '../serving/liveness.js';
import type { PromotionEdges } from './edges.js';
import { takeRouteAway } from './retire.js';
import { canaryAlias, routeName } from './targets.js';

/** Idempotent: whatever of it is still there goes. @returns whether there was one */
export async function endCanary(edges: PromotionEdges, model: string): Promise<boolean> {
  const name = routeName(model, canaryAlias);
  const candidate = findRoute(edges.ledger, name);
  const split = findSplit(edges.ledger, model);
  if (!candidate && !split) return false;
  // First nobody is sent there any more, then its route goes, then its server, when its open answers are over.
  deleteSplit(edges.ledger, model);
  await (await edges.gateway()).readRows();
  if (candidate) await takeRouteAway(edges, candidate);
  return true;
}

/** Of those that stand, the ones whose server does not answer: until then the version that is live has covered for them. @returns their models */
export async function endLostCanaries(edges: PromotionEdges): Promise<string[]> {
  const ended: string[] = [];
  for (const { name, model, engine, serverId, address } of listRoutes(edges.ledger)) {
    const stepped = (findSplit(edges.ledger, model)?.owner ?? null) !== null;
    const busy = stepped || openPromotions(edges.ledger).some((promotion) => promotion.model === model);
    if (name !== routeName(model, canaryAlias) || busy) continue;
    const servers = await edges.engine(engine);
    if (await isServerAlive(servers, { id: serverId, address })) continue;
    // After a reboot Docker starts it again, and it answers when it has loaded its model.
    if ((await servers.listServers()).some(({ id, state }) => id === serverId && state === 'starting')) continue;
    if (await endCanary(edges, model)) ended.push(model);
  }
  return ended;
}
