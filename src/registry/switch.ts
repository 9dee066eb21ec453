// The steps of a switch in their order: start or wake, ready, flip, tags, drain; where there is no room for two servers with hold and
// then sleep or stop before them, and release after the flip. Each is in the journal before it is done. Touches: what steps.ts and hold.ts touch.
import type { ModelServer } from '../engine/engine.js';
import { MlxError } from '../errors.js';
import { write } from '../ledger/open.js';
import { isRestart, findRoute, type Promotion, type Route } from '../ledger/promotions.js';
import type { ModelVersion } from '../ledger/versions.js';
import { forgetWarm, keepWarm, listWarmServers } from '../ledger/warm-servers.js';
import { livePace, newServerId, serverFields, startServerOf, waitForServer } from './candidate.js';
import type { LivePace } from '../serving/pace.js';
import type { ReadyServer } from './choice.js';
import type { PromotionEdges } from './edges.js';
import { performHold, performRelease, performStop } from './hold.js';
import type { Journal } from './journal.js';
import { retireServers, stopWarmServers } from './retire.js';
import { performSleep, undoWake, wakeServer } from './sleep.js';
import { performFlip, performTags, planTags } from './steps.js';
import type { StepName, SubjectOf } from './subjects.js';
import type { Candidate } from './targets.js';

export type Moved = Pick<Promotion, 'model' | 'alias' | 'fromVersion' | 'toVersion'>;

/**
 * `ready`: the server that holds the version already, and may have to be woken; null starts it. `room`: what becomes of the old server
 * before there is a new one, and how long requests wait at most; null: it need not make room. `into`: the server that gets the adapter
 * alone; null starts a new one.
 */
export type SwitchPlan = Candidate & {
  moved: Moved;
  ready: ReadyServer | null;
  room: Room | null;
  into: string | null;
  /** The route of the version that a new server is held against. */
  replaced: Route | null;
};

type Room = { by: 'sleep' | 'hold'; maxMs: number };

/** The route that is in use now. @throws what failed; nothing is undone yet */
export async function switchRoute(edges: PromotionEdges, journal: Journal, plan: SwitchPlan): Promise<Route> {
  const { version, target, moved, ready } = plan;
  const before = findRoute(edges.ledger, target.route);
  const room = ready?.asleep !== false && before !== undefined ? plan.room : null;
  const starts = ready === null && plan.into === null;
  // In the place of one that is gone it is no third one, and what is kept warm is the quickest way back.
  if (starts && !isRestart(moved)) await stopWarmServers(edges, version.model);
  // Asked while it is there. An adapter in the same server has the server's pace.
  const live = starts && plan.replaced ? await livePace(edges, version, plan.replaced) : null;
  if (room && before) await makeRoom(edges, journal, before, room);
  const server = await bringUp(edges, journal, plan, live);
  const after = nextRoute(edges, { version, target }, server, before);
  edges.onStep('flip', `${after.name} -> ${version.model}:${version.version}`);
  const flip: SubjectOf<'flip'> = { step: 'flip', before: before ?? null, after };
  // Asked for beforehand: between the row and the gateway's memory there is nothing to wait for.
  const gateway = await edges.gateway();
  await journal.run(flip, () => performFlip({ ...edges, gateway: () => Promise.resolve(gateway) }, flip));
  await finishSwitch(edges, journal, moved, flip, {
    ...{ held: room !== null, stopped: room?.by === 'hold' },
    left: ['release', 'tags', 'drain'],
  });
  return after;
}

/** What comes after the flip, for a switch that goes on after a crash as well. */
export async function finishSwitch(
  edges: PromotionEdges,
  journal: Journal,
  moved: Moved,
  { before, after }: SubjectOf<'flip'>,
  { held, stopped, left }: { held: boolean; stopped: boolean; left: readonly StepName[] },
): Promise<void> {
  if (held && left.includes('release')) {
    await journal.run({ step: 'release', route: after.name }, () => performRelease(edges, after.name));
  }
  const tags = left.includes('tags') ? await planTags(edges, moved) : undefined;
  if (tags) {
    edges.onStep('tags', `mlx/${moved.model}:${moved.alias} -> v${moved.toVersion}`);
    await journal.run(tags, () => performTags(edges, tags));
  }
  if (left.includes('drain')) {
    const drain = planDrain(edges, before, after, stopped);
    await journal.run(drain, () => performDrain(edges, moved.model, drain));
  }
}

async function makeRoom(edges: PromotionEdges, journal: Journal, former: Route, { by, maxMs }: Room): Promise<void> {
  edges.onStep('hold', `requests to ${former.name} wait in the gateway`);
  const hold: SubjectOf<'hold'> = { step: 'hold', route: former.name, untilMs: edges.now().getTime() + maxMs };
  await journal.run(hold, () => performHold(edges, hold));
  const name = `${former.model}:${former.version} (${former.serverId})`;
  if (by === 'sleep') {
    edges.onStep('sleep', `putting ${name} to sleep to make room`);
    const sleep: SubjectOf<'sleep'> = { step: 'sleep', former };
    await journal.run(sleep, () => performSleep(edges, sleep));
  } else {
    edges.onStep('stop', `stopping ${name} to make room`);
    const stop: SubjectOf<'stop'> = { step: 'stop', former };
    await journal.run(stop, () => performStop(edges, stop));
  }
}

/** One that was kept warm has answered real requests until it lost the route, and is healthy still; one that slept is asked again. */
async function bringUp(
  edges: PromotionEdges,
  journal: Journal,
  { version, into, ready }: SwitchPlan,
  live: LivePace | null,
): Promise<ModelServer> {
  if (ready?.asleep === true && (await wakes(edges, journal, version, ready.server))) return ready.server;
  const isUp = ready?.asleep === false;
  const server = isUp ? ready.server : await startCandidate(edges, journal, version, into);
  if (!isUp || !ready.warm) await becomeReady(edges, journal, version, server, live);
  return server;
}

/** What comes out of its sleep wrong is stopped, and a new one started: requests wait a little longer. */
async function wakes(
  edges: PromotionEdges,
  journal: Journal,
  version: ModelVersion,
  server: ModelServer,
): Promise<boolean> {
  const { id: serverId, address } = server;
  edges.onStep('wake', `waking ${version.model}:${version.version} (${serverId})`);
  const wake: SubjectOf<'wake'> = { step: 'wake', serverId, engine: version.engine, address };
  try {
    await journal.run(wake, () => wakeServer(edges, wake));
    await becomeReady(edges, journal, version, server);
    return true;
  } catch (error) {
    if (edges.signal.aborted || !(error instanceof MlxError)) throw error;
    edges.onNote(`${serverId} did not wake up as it was, a new server is started: ${error.message}`);
    await undoWake(edges, wake);
    return false;
  }
}

async function startCandidate(
  edges: PromotionEdges,
  journal: Journal,
  version: ModelVersion,
  into: string | null,
): Promise<ModelServer> {
  const serverId = newServerId(version);
  const name = `${version.model}:${version.version} (${serverId})`;
  edges.onStep('start', into === null ? `starting ${name}` : `loading the adapter of ${name} into ${into}`);
  const shared = into === null ? {} : { into };
  const start: SubjectOf<'start'> = { step: 'start', serverId, engine: version.engine, ...shared };
  return journal.run(start, () => startServerOf(edges, version, serverId, into ?? undefined));
}

async function becomeReady(
  edges: PromotionEdges,
  journal: Journal,
  version: ModelVersion,
  server: ModelServer,
  live: LivePace | null = null,
): Promise<void> {
  edges.onStep('ready', 'waiting until it is healthy three times in a row, names the model and answers its prompts');
  await journal.run({ step: 'ready', serverId: server.id }, () => waitForServer(edges, version, server, live));
}

/** The old server stays for a rollback, unless it is stopped already, or the same version goes on. */
export function planDrain(
  edges: Pick<PromotionEdges, 'now' | 'keepWarmMs'>,
  before: Route | null,
  after: Route,
  stopped: boolean,
): SubjectOf<'drain'> {
  const engines = [...new Set([after.engine, ...(before ? [before.engine] : [])])];
  const kept = edges.keepWarmMs > 0 && !stopped && before !== null && before.digest !== after.digest;
  const untilMs = edges.now().getTime() + edges.keepWarmMs;
  const warm = kept ? { serverId: before.serverId, version: before.version, engine: before.engine, untilMs } : null;
  return { step: 'drain', engines, warm };
}

/** One server a model is kept, the latest. */
async function performDrain(
  edges: PromotionEdges,
  model: string,
  { engines, warm }: SubjectOf<'drain'>,
): Promise<void> {
  if (warm) {
    write(edges.ledger, () => {
      const others = listWarmServers(edges.ledger).filter((server) => server.model === model);
      forgetWarm(
        edges.ledger,
        others.map(({ serverId }) => serverId),
      );
      keepWarm(edges.ledger, { model, ...warm });
    });
  }
  await retireServers(edges, model, engines);
}

function nextRoute(
  edges: PromotionEdges,
  { version, target }: Candidate,
  server: ModelServer,
  before: Route | undefined,
): Route {
  const { model, version: number, digest, engine } = version;
  return {
    ...{ name: target.route, model, version: number, digest, engine },
    ...serverFields(server),
    // Strictly later than the row before, so that the gateway's acknowledgement cannot be mistaken.
    updatedAtMs: Math.max(edges.now().getTime(), (before?.updatedAtMs ?? 0) + 1),
  };
}
