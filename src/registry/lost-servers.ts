// Routes whose model server is gone for good (a process that ended, a container that was removed or stopped behind mlx's back), and servers
// that no route leads to. What the engine starts again by itself is left to it. Touches what `mlx serve` touches.
import type { EngineKind } from '../engine/engine.js';
import type { PromotionEdges } from './edges.js';
import { doOrLeave } from './leave.js';
import { promote, type PromotionResult } from './promote.js';
import { lostRoutes, orphansOf, readScene, type Scene } from './scene.js';
import { serveCandidate } from './targets.js';

/** As `mlx serve` would, one after the other. @returns what became of each */
export async function restartLostServers(edges: PromotionEdges, actor: string): Promise<PromotionResult[]> {
  const results: PromotionResult[] = [];
  for (const { name, serverId } of lostRoutes(await readScene(edges))) {
    edges.onNote(`The model server of ${name} (${serverId}) is gone; it is started again.`);
    const candidate = serveCandidate(edges.ledger, name);
    results.push(await promote(edges, { ...candidate, kind: 'promote', actor, reason: 'its model server was gone' }));
  }
  return results;
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
