// The steps of a switch in their order: start, ready, flip, tags, drain; where there is no room for two servers with hold and stop
// before them, and release after the flip. Each is in the journal before it is done. Touches: what steps.ts and hold.ts touch.
import type { ModelServer } from '../engine/engine.js';
import { findRoute, type Promotion, type Route } from '../ledger/promotions.js';
import type { ModelVersion } from '../ledger/versions.js';
import { forgetWarm, keepWarm, listWarmServers } from '../ledger/warm-servers.js';
import { newServerId, serverFields, startServerOf, waitForServer } from './candidate.js';
import type { ReadyServer } from './choice.js';
import type { PromotionEdges } from './edges.js';
import { performHold, performRelease, performStop } from './hold.js';
import type { Journal } from './journal.js';
import { retireServers, stopWarmServers } from './retire.js';
import { performFlip, performTags, planTags } from './steps.js';
import type { StepName, SubjectOf } from './subjects.js';
import type { Candidate } from './targets.js';

export type Moved = Pick<Promotion, 'model' | 'alias' | 'fromVersion' | 'toVersion'>;

/**
 * `ready`: the server that holds the version already; null starts it. `hold`: how long requests wait at most; null: no server has to
 * make room. `into`: the server that gets the adapter alone; null starts a new one.
 */
export type SwitchPlan = Candidate & {
  moved: Moved;
  ready: ReadyServer | null;
  hold: { maxMs: number } | null;
  into: string | null;
};

/** The route that is in use now. @throws what failed; nothing is undone yet */
export async function switchRoute(edges: PromotionEdges, journal: Journal, plan: SwitchPlan): Promise<Route> {
  const { version, target, moved, ready } = plan;
  const before = findRoute(edges.ledger, target.route);
  const held = ready === null && plan.hold !== null && before !== undefined;
  if (ready === null && plan.into === null) await stopWarmServers(edges, version.model);
  if (held) await makeRoom(edges, journal, before, edges.now().getTime() + (plan.hold?.maxMs ?? 0));
  const server = ready?.server ?? (await startCandidate(edges, journal, version, plan.into));
  // One that was kept warm has answered real requests until it lost the route, and is healthy still.
  if (!ready?.warm) await becomeReady(edges, journal, version, server);
  const after = nextRoute(edges, { version, target }, server, before);
  edges.onStep('flip', `${after.name} -> ${version.model}:${version.version}`);
  const flip: SubjectOf<'flip'> = { step: 'flip', before: before ?? null, after };
  // Asked for beforehand: between the row and the gateway's memory there is nothing to wait for.
  const gateway = await edges.gateway();
  await journal.run(flip, () => performFlip({ ...edges, gateway: () => Promise.resolve(gateway) }, flip));
  await finishSwitch(edges, journal, moved, flip, { held, left: ['release', 'tags', 'drain'] });
  return after;
}

/** What comes after the flip, for a switch that goes on after a crash as well. */
export async function finishSwitch(
  edges: PromotionEdges,
  journal: Journal,
  moved: Moved,
  { before, after }: SubjectOf<'flip'>,
  { held, left }: { held: boolean; left: readonly StepName[] },
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
    const drain = planDrain(edges, before, after, held);
    await journal.run(drain, () => performDrain(edges, moved.model, drain));
  }
}

async function makeRoom(edges: PromotionEdges, journal: Journal, former: Route, untilMs: number): Promise<void> {
  edges.onStep('hold', `requests to ${former.name} wait in the gateway`);
  const hold: SubjectOf<'hold'> = { step: 'hold', route: former.name, untilMs };
  await journal.run(hold, () => performHold(edges, hold));
  edges.onStep('stop', `stopping ${former.model}:${former.version} (${former.serverId}) to make room`);
  const stop: SubjectOf<'stop'> = { step: 'stop', former };
  await journal.run(stop, () => performStop(edges, stop));
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
): Promise<void> {
  edges.onStep('ready', 'waiting until it is healthy three times in a row, names the model and answers its prompts');
  await journal.run({ step: 'ready', serverId: server.id }, () => waitForServer(edges, version, server));
}

/** The old server stays for a rollback, unless it is stopped already, or the same version goes on. */
function planDrain(edges: PromotionEdges, before: Route | null, after: Route, held: boolean): SubjectOf<'drain'> {
  const engines = [...new Set([after.engine, ...(before ? [before.engine] : [])])];
  const kept = edges.keepWarmMs > 0 && !held && before !== null && before.digest !== after.digest;
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
    const others = listWarmServers(edges.ledger).filter((server) => server.model === model);
    forgetWarm(
      edges.ledger,
      others.map(({ serverId }) => serverId),
    );
    keepWarm(edges.ledger, { model, ...warm });
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
