// The steps of a switch where there is no room for two servers: requests wait in the gateway, the old server is stopped, the new
// one starts; if it does not come up, the old version comes back. Touches: route_holds, model servers, the gateway's memory.
import { MlxError } from '../errors.js';
import { restartGateway } from '../gateway/control-api.js';
import { findRoute, setRoute } from '../ledger/promotions.js';
import { holdRoute, releaseRoute } from '../ledger/route-holds.js';
import { findVersion } from '../ledger/versions.js';
import { isServerAlive } from '../serving/liveness.js';
import { serverFields, startServerOf, waitForServer } from './candidate.js';
import type { PromotionEdges } from './edges.js';
import { retire } from './retire.js';
import type { SubjectOf } from './subjects.js';

/** Returns when the gateway holds: no request that comes later reaches the old server. */
export async function performHold(edges: PromotionEdges, { route, untilMs }: SubjectOf<'hold'>): Promise<void> {
  holdRoute(edges.ledger, { name: route, untilMs });
  const state = await (await edges.gateway()).readRows();
  if (state?.held.includes(route)) return;
  throw new MlxError('GATEWAY_STALE', `The gateway does not hold the requests of ${route}.`, {
    hint: `Start it again: ${restartGateway}`,
  });
}

export async function performRelease(edges: PromotionEdges, route: string): Promise<void> {
  releaseRoute(edges.ledger, route);
  await (await edges.gateway()).readRows();
}

/** Open answers are finished first. */
export async function performStop(edges: PromotionEdges, { former }: SubjectOf<'stop'>): Promise<void> {
  await retire(edges, await edges.engine(former.engine), former.serverId);
}

/**
 * The old version on a new server, behind the old route. What a crash left of an earlier try is stopped first. Ctrl-C, which may
 * be why it is undone, does not end it.
 */
export async function undoStop(interruptible: PromotionEdges, { former }: SubjectOf<'stop'>): Promise<void> {
  const edges = { ...interruptible, signal: new AbortController().signal };
  const route = findRoute(edges.ledger, former.name) ?? former;
  const engine = await edges.engine(route.engine);
  if (await isServerAlive(engine, { id: route.serverId, address: route.address })) return;
  for (const { id, model, version } of await engine.listServers()) {
    if (model === former.model && version === former.version) await engine.stopServer(id);
  }
  edges.onNote(`${former.model}:${former.version} is started again.`);
  const version = findVersion(edges.ledger, `${former.model}:${former.version}`);
  const server = await startServerOf(edges, version);
  await waitForServer(edges, version, server);
  const updatedAtMs = Math.max(edges.now().getTime(), route.updatedAtMs + 1);
  const again = { ...former, ...serverFields(server), updatedAtMs };
  setRoute(edges.ledger, again);
  await (await edges.gateway()).confirmRoute(again.name, again);
}
