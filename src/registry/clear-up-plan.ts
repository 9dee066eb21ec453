// What `mlx releases recover` would do, without doing any of it: each question is the one that the run asks (clear-up.ts), and is asked of
// what will be there once what comes before is done (forecast.ts).
import type { Promotion, Route } from '../ledger/promotions.js';
import type { WarmServer } from '../ledger/warm-servers.js';
import { eachLostCanary } from './canary-end.js';
import { wantedOnly, type ClearedUp, type Wanted } from './clear-up.js';
import type { PromotionEdges } from './edges.js';
import { afterRestart, afterWay, withoutRoute, withoutWarm } from './forecast.js';
import { deadPromotions } from './journal.js';
import { movedTags } from './labels.js';
import { doOrLeave } from './leave.js';
import { eachLostRoute, eachOrphan } from './lost-servers.js';
import type { PromotionResult } from './promote.js';
import { leftLine, wayOf, type Way } from './recover.js';
import { warmLeftLine } from './retire.js';
import { dueCanaries, dueDrills, expired } from './rows.js';
import { readScene, serversOf, type Scene } from './scene.js';
import { interruptedLine, type Due } from './settle.js';
import { subjectOf, type Subject } from './subjects.js';
import { canaryAlias, drillAlias, routeName, serveCandidate } from './targets.js';

/** `ways`: what becomes of the promotions that are settled. */
export type ClearUpPlan = ClearedUp & { ways: Way[] };

type Edges = Pick<PromotionEdges, 'ledger' | 'engine' | 'now' | 'keepWarmMs' | 'readyTimeoutMs' | 'onNote'>;

export async function planClearUp(edges: Edges, wanted: Wanted): Promise<ClearUpPlan> {
  const { scene: settledScene, ways, settled, left } = await planSettling(edges);
  let scene = settledScene;
  const more = await wantedOnly(edges, wanted, {
    servers: () =>
      eachLostRoute(edges, scene, async (route) => {
        scene = afterRestart(scene, route);
        return restartOf(edges, route);
      }),
    canaries: () =>
      eachLostCanary(edges, scene, async ({ name, model }) => {
        scene = withoutRoute(scene, name);
        return model;
      }),
    tags: async () => {
      const moved = await movedTags(edges);
      return { done: moved.filter(({ model, tag }) => !ways.some((way) => setsTag(way, model, tag))), whole: true };
    },
  });
  const { stopped: orphans, unseen } = await eachOrphan(edges, scene, async () => undefined);
  return { settled, ways, ...more, orphans, unseen, left };
}

type Settling = { scene: Scene; ways: Way[]; settled: Due; left: Due };

async function planSettling(edges: Edges): Promise<Settling> {
  const nowMs = edges.now().getTime();
  const promotions = await planWays(edges, await readScene(edges), deadPromotions(edges.ledger));
  const drills = await planTakingAway(edges, promotions.scene, dueDrills(promotions.scene), {
    alias: drillAlias,
    what: 'rehearsal',
  });
  const over = dueCanaries(drills.scene);
  const canaries = await planTakingAway(edges, drills.scene, over, { alias: canaryAlias, what: 'canary' });
  const warm = await planExpired(edges, canaries.scene, nowMs);
  const settled = promotions.ways.map(({ promotion }) => promotion);
  return {
    scene: warm.scene,
    ways: promotions.ways,
    settled: { promotions: settled, drills: drills.done, canaries: canaries.done, warm: warm.done },
    left: {
      promotions: promotions.left,
      drills: [],
      canaries: [],
      warm: [...drills.left, ...canaries.left, ...warm.left],
    },
  };
}

async function planWays(edges: Edges, before: Scene, promotions: readonly Promotion[]) {
  let scene = before;
  const ways: Way[] = [];
  const left: Promotion[] = [];
  for (const promotion of promotions) {
    const way = await plannedWay(edges, scene, promotion);
    if (way) ways.push(way);
    else left.push(promotion);
    scene = way ? afterWay(edges, scene, way) : scene;
  }
  return { scene, ways, left };
}

/** Their routes go whether an engine answers or not; of one that does not, the servers are left, to be stopped as soon as it does. */
async function planTakingAway(
  edges: Edges,
  before: Scene,
  models: readonly string[],
  { alias, what }: { alias: string; what: string },
) {
  let scene = before;
  const done: string[] = [];
  const left: WarmServer[] = [];
  for (const model of models) {
    const name = routeName(model, alias);
    const route = scene.routes.find((one) => one.name === name);
    const seen = await doOrLeave(
      edges,
      interruptedLine(what, model),
      async () => route && serversOf(scene, route.engine),
    );
    if (seen) done.push(model);
    else if (route)
      left.push({ serverId: route.serverId, model, version: route.version, engine: route.engine, untilMs: 0 });
    scene = withoutRoute(scene, name);
  }
  return { scene, done, left };
}

async function planExpired(edges: Edges, before: Scene, nowMs: number) {
  let scene = before;
  const done: WarmServer[] = [];
  const left: WarmServer[] = [];
  for (const server of expired(before, nowMs)) {
    const seen = await doOrLeave(edges, warmLeftLine(server), async () => serversOf(scene, server.engine));
    // What could not be stopped in its time is to be stopped as soon as it can be.
    if (seen) done.push(server);
    else left.push({ ...server, untilMs: 0 });
    scene = seen ? withoutWarm(scene, server) : scene;
  }
  return { scene, done, left };
}

/** @returns undefined where it would be left, which is told */
async function plannedWay(edges: Edges, scene: Scene, promotion: Promotion): Promise<Way | undefined> {
  const planned = await doOrLeave(edges, leftLine(promotion), async () => {
    const way = await wayOf(edges, promotion);
    const { plan } = way;
    if (plan.direction === 'undo')
      plan.entries.flatMap(({ subject }) => enginesOf(subject)).map((kind) => serversOf(scene, kind));
    return way;
  });
  if (planned?.value.plan.direction === 'finish' && !subjectOf(planned.value.entries, 'flip')) return undefined;
  return planned?.value;
}

/** Those that are asked to undo it. */
function enginesOf(subject: Subject): Route['engine'][] {
  switch (subject.step) {
    case 'start':
    case 'wake':
      return [subject.engine];
    case 'stop':
    case 'sleep':
      return [subject.former.engine];
    case 'tags':
      return subject.tags.map(({ engine }) => engine);
    case 'flip':
    case 'hold':
    case 'ready':
    case 'release':
    case 'drain':
      return [];
  }
}

/** Whatever it names now: finishing or undoing a switch sets it. */
function setsTag({ promotion, entries, plan }: Way, model: string, tag: string): boolean {
  if (promotion.model !== model) return false;
  const sets = plan.direction === 'finish' ? plan.left.includes('tags') : subjectOf(entries, 'tags') !== undefined;
  return sets && [promotion.alias, 'previous'].includes(tag);
}

function restartOf({ ledger }: Edges, { name, model, version }: Route): PromotionResult {
  const { alias } = serveCandidate(ledger, name).target;
  return {
    ...{ id: null, outcome: 'restarted', model, alias, route: name, fromVersion: version, toVersion: version },
    ...{ serverId: null, durationMs: 0, error: null },
  };
}
