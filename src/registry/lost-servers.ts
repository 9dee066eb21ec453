// Routes whose model server is gone for good (a process that ended, a container that was removed or stopped behind mlx's back), and servers
// that no route leads to. What the engine starts again by itself is left to it. Touches what `mlx serve` touches.
import type { EngineKind, ModelServer } from '../engine/engine.js';
import { ownerIsAlive } from '../engine/owner.js';
import type { Ledger } from '../ledger/open.js';
import { openSteps } from '../ledger/promotion-steps.js';
import { listRoutes, openPromotions, type Route } from '../ledger/promotions.js';
import { listVersions } from '../ledger/versions.js';
import { listSplits } from '../ledger/route-splits.js';
import type { PromotionEdges } from './edges.js';
import { doOrLeave } from './leave.js';
import { promote, type PromotionResult } from './promote.js';
import { usedServers } from './retire.js';
import { watchSubject } from './watch-report.js';
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

/**
 * Servers that nothing leads to, of models that no command is at work on. There is one where Docker was shut down while mlx removed it: it
 * comes back with Docker (seen with 26.1). @returns their ids, and the engines that could not be asked
 */
export async function stopOrphans(edges: PromotionEdges): Promise<{ stopped: string[]; unseen: EngineKind[] }> {
  const stopped: string[] = [];
  const unseen: EngineKind[] = [];
  for (const kind of new Set(listVersions(edges.ledger).map((version) => version.engine))) {
    const left = `Whether model servers run (${kind}) that no route leads to is not known.`;
    const found = await doOrLeave(edges, left, async () => {
      for (const id of await orphansOf(edges, kind)) {
        await (await edges.engine(kind)).stopServer(id);
        stopped.push(id);
      }
    });
    if (!found) unseen.push(kind);
  }
  return { stopped, unseen };
}

async function orphansOf({ ledger, engine }: PromotionEdges, kind: EngineKind): Promise<string[]> {
  // First these: whoever starts one has written it down before.
  const servers = await (await engine(kind)).listServers();
  const busy = new Set(openPromotions(ledger).map(({ model }) => model));
  const used = usedServers(ledger);
  return servers.filter(({ id, model }) => !busy.has(model) && !used.has(id)).map(({ id }) => id);
}

/** Those that no command is at work on. A drill's belongs to its command, and so does a share that is stepped, or a version that is watched. */
export function restingRoutes(ledger: Ledger): Route[] {
  const busy = new Set(openPromotions(ledger).map(({ model }) => model));
  const stepped = new Set(listSplits(ledger).flatMap(({ candidate, owner }) => (owner === null ? [] : [candidate])));
  const watched = watchedRoutes(ledger);
  return listRoutes(ledger).filter(
    ({ name, model }) =>
      !busy.has(model) && name !== routeName(model, drillAlias) && !stepped.has(name) && !watched.has(name),
  );
}

/** Whoever watches takes a version back that dies: started again, it would be in the way. */
function watchedRoutes(ledger: Ledger): ReadonlySet<string> {
  const goingOn = openSteps(ledger, 'watch').filter((step) => ownerIsAlive(watchSubject(step).owner));
  return new Set(goingOn.map(({ model, alias }) => routeName(model, alias)));
}

function isGone(server: ModelServer | undefined): boolean {
  return server === undefined || (server.state === 'exited' && server.restarting !== true);
}
