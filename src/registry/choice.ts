// What a switch would rest on: whether a server has the version already; if none has, who has the route, whether its server takes the
// adapter, what memory is used and free. Reads only, and asks no more than the choice needs: a server takes its time to answer.
import type { Engine, ModelServer } from '../engine/engine.js';
import { MlxError } from '../errors.js';
import { findRoute, listRoutes, type Route } from '../ledger/promotions.js';
import { findVersion, type ModelVersion } from '../ledger/versions.js';
import { listWarmServers } from '../ledger/warm-servers.js';
import { conditionOf, isServerAlive } from '../serving/liveness.js';
import type { PromotionEdges } from './edges.js';
import { settingsObstacle } from './settings.js';
import { sleepObstacleOf } from './sleep-obstacle.js';
import {
  chooseStrategy,
  type AskedStrategy,
  type MeasuredMemory,
  type Strategy,
  type StrategyChoice,
} from './strategy.js';
import { canaryAlias, drillAlias, production, routeName, type Candidate } from './targets.js';

/**
 * A server that runs and holds the version. `warm`: it was kept after it lost its route, and answered real requests until then.
 * `asleep`: it must be woken, and needs the room for it.
 */
export type ReadyServer = { server: ModelServer; warm: boolean; asleep: boolean };

export type Choice = StrategyChoice & {
  /** The server that gets the adapter. */
  into: string | null;
  memory: MeasuredMemory | null;
  /** Nothing is to be started. */
  ready: ReadyServer | null;
  /** The route that is replaced, while its server answers; not asked where a server is ready and awake. */
  replaced: Route | null;
};

type ChoiceEdges = Pick<PromotionEdges, 'ledger' | 'engine' | 'now' | 'weightBytes' | 'freeMemoryBytes'>;

/** @throws MlxError STRATEGY_IMPOSSIBLE */
export async function makeChoice(edges: ChoiceEdges, candidate: Candidate, asked: AskedStrategy): Promise<Choice> {
  const { version } = candidate;
  const engine = await edges.engine(version.engine);
  const ready = await readyServer(edges, engine, version);
  const nothing = { into: null, memory: null, ready, replaced: null };
  if (ready?.asleep === false)
    return { strategy: 'side-by-side', why: `${ready.server.id} runs already and has the version`, ...nothing };
  const replaced = await answeringRoute(edges, candidate);
  if (!replaced) return { ...chooseStrategy(asked, nobodyReplaced), ...nothing };
  const maySwap = asked === 'auto' || asked === 'adapter-swap';
  const swap = maySwap ? await swapInto(edges, engine, replaced, version) : { obstacle: null, into: null };
  const measures = asked === 'auto' && swap.obstacle !== null;
  const memory = measures ? await measureMemory(edges, engine, replaced, ready?.server.id) : null;
  const maySleep = asked === 'sleep' || memory !== null;
  const sleepObstacle = maySleep ? await sleepObstacleOf(edges, replaced) : null;
  const choice = chooseStrategy(asked, { replaces: true, swapObstacle: swap.obstacle, sleepObstacle, memory });
  if (makesRoom(choice.strategy) && isBeside(candidate)) throw noRoomBeside(candidate, choice);
  const into = choice.strategy === 'adapter-swap' ? swap.into : null;
  return { ...choice, into, memory, ready: into === null ? ready : null, replaced };
}

const nobodyReplaced = { replaces: false, swapObstacle: null, sleepObstacle: null, memory: null };

/** There is no server awake for a while, and requests wait. */
export function makesRoom(strategy: Strategy): strategy is 'sleep' | 'hold' {
  return strategy === 'sleep' || strategy === 'hold';
}

/** The route that the candidate would replace, while its server answers. */
export async function answeringRoute(edges: ChoiceEdges, candidate: Candidate): Promise<Route | null> {
  const route = replacedRoute(edges, candidate);
  if (!route) return null;
  const { engine, serverId, address } = route;
  return (await isServerAlive(await edges.engine(engine), { id: serverId, address })) ? route : null;
}

/** A drill rehearses what a rollback of production would do, and a canary may share production's server. */
function replacedRoute({ ledger }: ChoiceEdges, candidate: Candidate): Route | undefined {
  const { version, target } = candidate;
  const lent = isBeside(candidate) ? findRoute(ledger, routeName(version.model, production)) : undefined;
  return findRoute(ledger, target.route) ?? lent;
}

/** Production stays live meanwhile, and its server is not touched. */
function isBeside({ target }: Candidate): boolean {
  return target.alias === drillAlias || target.alias === canaryAlias;
}

function noRoomBeside({ version, target }: Candidate, { why }: StrategyChoice): MlxError {
  const what = target.alias === drillAlias ? 'rehearsed' : 'tried';
  const message = `${version.model}:${version.version} cannot be ${what} beside the version that is live: ${why}.`;
  return new MlxError('STRATEGY_IMPOSSIBLE', message, {
    hint: 'Free memory; or start it all the same, where you know better: --strategy side-by-side',
  });
}

/** One that another route has, or that is kept warm long enough to be taken. */
async function readyServer(edges: ChoiceEdges, engine: Engine, version: ModelVersion): Promise<ReadyServer | null> {
  const nowMs = edges.now().getTime();
  const kept = listWarmServers(edges.ledger).filter(({ untilMs }) => untilMs > nowMs);
  const warm = new Set(kept.map(({ serverId }) => serverId));
  const known = new Set([...warm, ...listRoutes(edges.ledger).map(({ serverId }) => serverId)]);
  const servers = known.size === 0 ? [] : await engine.listServers();
  for (const server of servers) {
    const { id, digest } = server;
    const condition = known.has(id) && digest === version.digest ? await conditionOf(server) : 'gone';
    if (condition !== 'gone') return { server, warm: warm.has(id), asleep: condition === 'asleep' };
  }
  return null;
}

/** What a server that was kept warm uses is free by then: it makes room before another one starts. */
async function measureMemory(
  { ledger }: ChoiceEdges,
  engine: Engine,
  { model, serverId }: Route,
  readyId: string | undefined,
): Promise<MeasuredMemory | null> {
  const own = await engine.measureServer(serverId);
  if (!own) return null;
  const servers = await engine.listServers();
  const routed = new Set(listRoutes(ledger).map((route) => route.serverId));
  // Of a server that has another version's adapter in use, only its own adapter goes, and nothing is freed.
  const carrying = new Set(servers.flatMap(({ id, carrier }) => (carrier && routed.has(id) ? [carrier.id] : [])));
  const alone = new Set(
    servers.filter(({ id, carrier }) => carrier === undefined && !carrying.has(id)).map(({ id }) => id),
  );
  const warm = listWarmServers(ledger).filter(
    (server) =>
      server.model === model &&
      alone.has(server.serverId) &&
      !routed.has(server.serverId) &&
      server.serverId !== readyId,
  );
  const measured = await Promise.all(warm.map((server) => engine.measureServer(server.serverId)));
  const freed = measured.reduce((sum, use) => sum + (use?.usedBytes ?? 0), 0);
  return { usedBytes: own.usedBytes, freeBytes: own.freeBytes + freed, of: own.of };
}

/** What the server was started for counts: its window and its room for adapters stay as they are. */
async function swapInto(
  { ledger }: ChoiceEdges,
  engine: Engine,
  { model, engine: kind, serverId }: Route,
  version: ModelVersion,
): Promise<{ obstacle: string | null; into: string }> {
  if (kind !== version.engine) return { obstacle: `it runs on the ${kind} engine`, into: serverId };
  const server = (await engine.listServers()).find(({ id }) => id === serverId);
  const carrier = server?.carrier ?? { id: serverId, version: server?.version ?? 0 };
  const startedFor = findVersion(ledger, `${model}:${carrier.version}`);
  const obstacle = settingsObstacle(startedFor, version) ?? (await engine.swapObstacle(carrier.id, version.digest));
  return { obstacle, into: carrier.id };
}
