// The rows and the servers that are really there, as one value: what is left over follows from it, for the plan and for the run alike.
import type { Engine, EngineKind, ModelServer } from '../engine/engine.js';
import type { Ledger } from '../ledger/open.js';
import type { Route } from '../ledger/promotions.js';
import { listVersions } from '../ledger/versions.js';
import { readRows, restartableRoutes, usedServers, type Rows } from './rows.js';

export type Scene = Rows & {
  /** By engine; why one that does not answer could not be asked. */
  servers: ReadonlyMap<EngineKind, { found: readonly ModelServer[] } | { unseen: unknown }>;
};

export type SceneEdges = { ledger: Ledger; engine: (kind: EngineKind) => Promise<Pick<Engine, 'listServers'>> };

/** Servers first: whoever starts one has written it down before. */
export async function readScene({ ledger, engine }: SceneEdges): Promise<Scene> {
  const kinds = [...new Set(listVersions(ledger).map((version) => version.engine))];
  const asked = kinds.map(async (kind): Promise<[EngineKind, { found: ModelServer[] } | { unseen: unknown }]> => {
    try {
      return [kind, { found: await (await engine(kind)).listServers() }];
    } catch (unseen) {
      return [kind, { unseen }];
    }
  });
  const servers = new Map(await Promise.all(asked));
  return { ...readRows(ledger), servers };
}

/** @throws what its engine said when it was asked */
export function serversOf({ servers }: Scene, kind: EngineKind): readonly ModelServer[] {
  const seen = servers.get(kind) ?? { found: [] };
  if ('unseen' in seen) throw seen.unseen;
  return seen.found;
}

/** Gone for good, of the routes that have a claim to be started again. @throws what the engine said when it was asked */
export function lostRoutes(scene: Scene, kind: EngineKind): Route[] {
  return restartableRoutes(scene).filter(({ engine, serverId }) => {
    if (engine !== kind) return false;
    const server = serversOf(scene, kind).find(({ id }) => id === serverId);
    // What the engine starts again by itself is left to it.
    return server === undefined || (server.state === 'exited' && server.restarting !== true);
  });
}

/**
 * Servers that nothing leads to, of models that no command is at work on. There is one where Docker was shut down while mlx removed it: it
 * comes back with Docker (seen with 26.1). @throws what the engine said when it was asked
 */
export function orphansOf(scene: Scene, kind: EngineKind): string[] {
  const used = usedServers(scene);
  return serversOf(scene, kind).flatMap(({ id, model }) => (scene.busy.has(model) || used.has(id) ? [] : [id]));
}
