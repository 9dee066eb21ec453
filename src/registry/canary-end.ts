// Takes a canary or a shadow away: all requests go to the route's own version again, and the candidate's server is stopped unless it
// has the route by now. Touches: route_splits, the journal of its release, the candidate's route, the gateway's memory, model servers.
import { write, type Ledger } from '../ledger/open.js';
import { findRoute, listPromotions, type Route } from '../ledger/promotions.js';
import { beginStep, endStep, listSteps } from '../ledger/promotion-steps.js';
import { deleteSplit, findSplit } from '../ledger/route-splits.js';
import { isServerAlive } from '../serving/liveness.js';
import type { PromotionEdges } from './edges.js';
import { takeRouteAway } from './retire.js';
import { readRows, type Rows } from './rows.js';
import { canaryAlias, routeName } from './targets.js';

/** `promoted`: it has all requests by now. Its release keeps it, as the last of its steps. */
export type CanaryEnd = { outcome: 'taken_back' | 'promoted'; code: string | null; actor: string; reason: string };

/** Idempotent: whatever of it is still there goes. @param end none: it never began. @returns whether there was one */
export async function endCanary(edges: PromotionEdges, model: string, end?: CanaryEnd): Promise<boolean> {
  const name = routeName(model, canaryAlias);
  const candidate = findRoute(edges.ledger, name);
  const split = findSplit(edges.ledger, model);
  if (!candidate && !split) return false;
  // First nobody is sent there any more, then its route goes, then its server, when its open answers are over.
  write(edges.ledger, () => {
    deleteSplit(edges.ledger, model);
    if (candidate && end) recordEnd(edges, candidate, end);
  });
  await (await edges.gateway()).readRows();
  if (candidate) await takeRouteAway(edges, candidate);
  return true;
}

/** Once: a command that dies after it is followed by one that takes away what is left, for no reason of its own. */
function recordEnd({ ledger, now }: PromotionEdges, candidate: Route, end: CanaryEnd): void {
  const promotionId = candidateRelease(ledger, candidate);
  if (promotionId === null || listSteps(ledger, promotionId).at(-1)?.step === 'end') return;
  const begunAtMs = now().getTime();
  const subject = JSON.stringify({ step: 'end', route: candidate.name, version: candidate.version });
  const position = beginStep(ledger, { promotionId, step: 'end', subject, begunAtMs });
  endStep(ledger, { promotionId, position }, 'done', begunAtMs, JSON.stringify(end));
}

/** By which a version got its share; null when nobody knows. */
export function candidateRelease(ledger: Ledger, { model, version }: Pick<Route, 'model' | 'version'>): number | null {
  const releases = listPromotions(ledger, { model, limit: 1_000 });
  const own = releases.find(
    ({ alias, toVersion, state }) => alias === canaryAlias && toVersion === version && state !== 'failed',
  );
  return own?.id ?? null;
}

/** @returns the models of those that were lost */
export async function endLostCanaries(edges: PromotionEdges, actor: string): Promise<string[]> {
  const ended: string[] = [];
  for (const { model, serverId } of await lostCanaries(edges, readRows(edges.ledger))) {
    const reason = `its server ${serverId} did not answer any more`;
    if (await endCanary(edges, model, { outcome: 'taken_back', code: null, actor, reason })) ended.push(model);
  }
  return ended;
}

/** Of those that stand, the ones whose server does not answer: until then the version that is live has covered for them. */
export async function lostCanaries(
  { engine: open }: Pick<PromotionEdges, 'engine'>,
  { routes, splits, busy }: Rows,
): Promise<Route[]> {
  const lost: Route[] = [];
  for (const route of routes) {
    const { name, model, engine, serverId, address } = route;
    const stepped = splits.some((split) => split.name === model && split.owner !== null);
    if (name !== routeName(model, canaryAlias) || busy.has(model) || stepped) continue;
    const servers = await open(engine);
    if (await isServerAlive(servers, { id: serverId, address })) continue;
    // After a reboot Docker starts it again, and it answers when it has loaded its model.
    if ((await servers.listServers()).some(({ id, state }) => id === serverId && state === 'starting')) continue;
    lost.push(route);
  }
  return lost;
}
