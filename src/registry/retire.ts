// Stops the servers of a model that no route uses any more, once their open answers are over.
import type { Engine, EngineKind } from '../engine/engine.js';
import { errorMessage, isMlxError } from '../errors.js';
import { deleteRoute, listRoutes, type Route } from '../ledger/promotions.js';
import { forgetWarm, keepWarm, listWarmServers, setWarmUntil, type WarmServer } from '../ledger/warm-servers.js';
import type { PromotionEdges } from './edges.js';
import { doOrLeave } from './leave.js';
import { expired, readRows, usedServers } from './rows.js';

const pollMs = 50;

export async function retireServers(edges: PromotionEdges, model: string, kinds: Iterable<EngineKind>): Promise<void> {
  for (const kind of new Set(kinds)) {
    const engine = await edges.engine(kind);
    for (const id of await unusedServers(edges, engine, model)) await retire(edges, engine, id);
  }
}

/** A route that was lent for a while: its row, the gateway's memory of it, then its server, unless another route leads there. */
export async function takeRouteAway(edges: PromotionEdges, route: Route): Promise<void> {
  const { name, model, version, engine, serverId } = route;
  deleteRoute(edges.ledger, name);
  await (await edges.gateway()).confirmRoute(name, undefined);
  try {
    await retireServers(edges, model, [engine]);
  } catch (error) {
    // Its engine does not answer: without a row nobody would know that there is something to stop.
    keepWarm(edges.ledger, { serverId, model, version, engine, untilMs: 0 });
    throw error;
  }
}

/** Makes room: at no time does a model have three servers. */
export async function stopWarmServers(edges: PromotionEdges, model: string): Promise<void> {
  await stopWarm(
    edges,
    listWarmServers(edges.ledger).filter((server) => server.model === model),
  );
}

/** @returns those whose time was over, and that are stopped now */
export async function stopExpiredServers(edges: PromotionEdges): Promise<WarmServer[]> {
  const nowMs = edges.now().getTime();
  const stopped: WarmServer[] = [];
  for (const server of expired(readRows(edges.ledger), nowMs)) {
    if (await doOrLeave(edges, warmLeftLine(server), () => stopWarm(edges, [server]))) stopped.push(server);
  }
  return stopped;
}

export function warmLeftLine({ serverId }: Pick<WarmServer, 'serverId'>): string {
  return `${serverId} was kept warm long enough and cannot be stopped yet.`;
}

/** First nobody can choose it any more, then it is stopped, then forgotten: killed in between, the next command goes on. */
async function stopWarm(edges: PromotionEdges, servers: readonly WarmServer[]): Promise<void> {
  for (const { serverId, engine } of servers) {
    const taken = setWarmUntil(edges.ledger, serverId, { notBeforeMs: 0, untilMs: 0 });
    const routed = listRoutes(edges.ledger).some((route) => route.serverId === serverId);
    if (taken && !routed) await retire(edges, await edges.engine(engine), serverId);
    forgetWarm(edges.ledger, [serverId]);
  }
}

async function unusedServers(edges: PromotionEdges, engine: Engine, model: string): Promise<string[]> {
  const used = usedServers(readRows(edges.ledger));
  return (await engine.listServers())
    .filter((server) => server.model === model && !used.has(server.id))
    .map(({ id }) => id);
}

/**
 * A server that cannot be stopped does not unmake the switch: it is said, and the next command tries again.
 * @throws MlxError DOCKER_UNREACHABLE: then the journal keeps what is to be stopped
 */
export async function retire(edges: PromotionEdges, engine: Engine, id: string): Promise<void> {
  await finishAnswers(edges, id);
  try {
    await engine.stopServer(id).catch((error: unknown) => stopAgain(engine, id, error));
  } catch (error) {
    if (isMlxError(error, 'DOCKER_UNREACHABLE')) throw error;
    edges.onNote(`${id} could not be stopped (${errorMessage(error)}); the next command tries again.`);
  }
}

/** Docker may have been started again in the middle of it. */
async function stopAgain(engine: Engine, id: string, error: unknown): Promise<void> {
  if (!isMlxError(error, 'COMPOSE_FAILED')) throw error;
  await engine.stopServer(id);
}

/** Within their time; what is cut off is said. */
export async function finishAnswers(edges: PromotionEdges, id: string): Promise<void> {
  const left = await drain(edges, id);
  if (left > 0) edges.onNote(`${id} still had ${answers(left)} after its drain time, cut off now.`);
}

/** @returns how many answers are still open */
async function drain(edges: PromotionEdges, id: string): Promise<number> {
  const gateway = await edges.gateway();
  const deadlineMs = edges.clock() + edges.drainTimeoutMs;
  const open = async (): Promise<number> => (await gateway.state())?.inFlight[id] ?? 0;
  let left = await open();
  if (left > 0) edges.onStep('drain', `${id} finishes ${answers(left)}`);
  while (left > 0 && edges.clock() < deadlineMs && !edges.signal.aborted) {
    await edges.pause(pollMs, edges.signal);
    left = await open();
  }
  return left;
}

function answers(count: number): string {
  return `${count} open ${count === 1 ? 'answer' : 'answers'}`;
}
