// Routes whose model server is gone for good (a process that ended, a container that was removed or stopped behind mlx's back), and servers
// that no route leads to. What the engine starts again by itself is left to it. Touches what `mlx serve` touches.
import type { EngineKind } from '../engine/engine.js';
import type { Route } from '../ledger/promotions.js';
import { serverGone } from './actor.js';
import type { PromotionEdges } from './edges.js';
import { doOrLeave, eachOrLeave, type Done } from './leave.js';
import { promote, type PromotionResult } from './promote.js';
import { isAmong, readRows, restartableRoutes } from './rows.js';
import { lostRoutes, orphansOf, readScene, type Scene } from './scene.js';
import { serveCandidate } from './targets.js';

/** As `mlx serve` would, one after the other. @returns what became of each */
export async function restartLostServers(edges: PromotionEdges, actor: string): Promise<Done<PromotionResult>> {
  return eachLostRoute(edges, await readScene(edges), async (route) => {
    // Those before it may have taken minutes.
    if (!isAmong(restartableRoutes(readRows(edges.ledger)), route)) return undefined;
    edges.onNote(`The model server of ${route.name} (${route.serverId}) is gone; it is started again.`);
    const candidate = serveCandidate(edges.ledger, route.name);
    return promote(edges, { ...candidate, kind: 'promote', actor, reason: serverGone });
  });
}

/** `restart` may do nothing, for a plan. An engine that does not answer leaves those of the other one to be started again. */
export async function eachLostRoute(
  edges: Pick<PromotionEdges, 'onNote'>,
  scene: Scene,
  restart: (route: Route) => Promise<PromotionResult | undefined>,
): Promise<Done<PromotionResult>> {
  const kinds = [...new Set(restartableRoutes(scene).map(({ engine }) => engine))];
  const unknown = (kind: EngineKind): string => `Which model servers (${kind}) are gone is not known.`;
  const lost = await eachOrLeave(edges, kinds, unknown, async (kind) => lostRoutes(scene, kind));
  const notStarted = ({ name }: Route): string => `The model server of ${name} could not be started again.`;
  const restarted = await eachOrLeave(edges, lost.done.flat(), notStarted, restart);
  return { done: restarted.done, whole: lost.whole && restarted.whole };
}

export type Orphans = { stopped: string[]; unseen: EngineKind[] };

/** @returns their ids, and the engines that could not be asked */
export async function stopOrphans(edges: PromotionEdges): Promise<Orphans> {
  return eachOrphan(edges, await readScene(edges), async (kind, id) => (await edges.engine(kind)).stopServer(id));
}

/** `stop` may do nothing, for a plan. */
export async function eachOrphan(
  edges: Pick<PromotionEdges, 'onNote'>,
  scene: Scene,
  stop: (kind: EngineKind, id: string) => Promise<void>,
): Promise<Orphans> {
  const stopped: string[] = [];
  const unseen: EngineKind[] = [];
  for (const kind of scene.servers.keys()) {
    const left = `Whether model servers run (${kind}) that no route leads to is not known.`;
    const found = await doOrLeave(edges, left, async () => {
      for (const id of orphansOf(scene, kind)) {
        await stop(kind, id);
        stopped.push(id);
      }
    });
    if (!found) unseen.push(kind);
  }
  return { stopped, unseen };
}
