// What a promotion would do, for --dry-run. Reads the ledger and the engine's list of servers; changes nothing.
import type { Promotion, Route } from '../ledger/promotions.js';
import type { ModelVersion } from '../ledger/versions.js';
import { lastStartMs, lastWakeMs } from '../ledger/promotion-steps.js';
import { answeringRoute, makeChoice, makesRoom, type Choice } from './choice.js';
import type { PromotionEdges } from './edges.js';
import type { AskedStrategy, MeasuredMemory, Strategy } from './strategy.js';
import { liveVersion, type Candidate } from './targets.js';

export type PromotionPlan = {
  kind: Promotion['kind'];
  model: string;
  alias: string;
  route: string;
  fromVersion: number | null;
  toVersion: number;
  digest: string;
  engine: string;
  alreadyLive: boolean;
  steps: string[];
  strategy: Strategy;
  /** What the choice of the strategy rests on. */
  why: string;
  /** null where it was not asked: no second server was in question, or it cannot be told. */
  memory: MeasuredMemory | null;
  /** What clients would notice. */
  outage: 'none' | 'requests_wait';
  /** How long they would wait, by the starts of this model so far; null: it never started here, or nobody waits. */
  expectedWaitMs: number | null;
  /** Until the new version is ready, by the last time that it was done in this way; null: never, or nothing is started. */
  expectedStartMs: number | null;
};

type PlanEdges = Pick<
  PromotionEdges,
  'ledger' | 'engine' | 'now' | 'readyTimeoutMs' | 'drainTimeoutMs' | 'keepWarmMs' | 'weightBytes' | 'freeMemoryBytes'
>;

/** @throws MlxError STRATEGY_IMPOSSIBLE */
export async function planPromotion(
  edges: PlanEdges,
  { version, target }: Candidate,
  kind: Promotion['kind'],
  asked: AskedStrategy = 'auto',
): Promise<PromotionPlan> {
  const fromVersion = liveVersion(edges.ledger, version.model, target.alias) ?? null;
  const choice = await makeChoice(edges, { version, target }, asked);
  const { strategy, why, memory, ready } = choice;
  const replaced = ready?.asleep === false ? await answeringRoute(edges, { version, target }) : choice.replaced;
  const alreadyLive = replaced?.digest === version.digest && fromVersion === version.version;
  const { model, version: toVersion, digest, engine } = version;
  const expectedStartMs = alreadyLive ? null : expectedStart(edges, model, choice);
  return {
    ...{ kind, model, alias: target.alias, route: target.route, fromVersion, toVersion, digest, engine, alreadyLive },
    ...{ strategy, why, memory },
    steps: alreadyLive ? [] : promotionSteps(edges, { version, target }, { ...choice, replaced }),
    outage: makesRoom(strategy) ? 'requests_wait' : 'none',
    expectedWaitMs: makesRoom(strategy) ? expectedStartMs : null,
    expectedStartMs,
  };
}

/** Of a server that is to be started, or woken; null: neither, or neither ever was. */
function expectedStart({ ledger }: PlanEdges, model: string, { strategy, ready }: Choice): number | null {
  if (ready?.asleep === true && strategy !== 'adapter-swap') return lastWakeMs(ledger, model);
  return ready?.asleep === false ? null : lastStartMs(ledger, model, strategy === 'adapter-swap');
}

function promotionSteps(edges: PlanEdges, { version, target }: Candidate, choice: Choice): string[] {
  const { replaced, ready, strategy } = choice;
  const name = `${version.model}:${version.version}`;
  const room = replaced !== null && makesRoom(strategy);
  const isReady = ready?.asleep === false;
  return [
    ...(room ? [roomStep(target.route, replaced.serverId, strategy)] : []),
    isReady
      ? `take ${ready.server.id}, which ${ready.warm ? 'was kept warm' : 'runs already'}`
      : startStep(version, choice, room),
    ...(isReady
      ? []
      : [
          `wait until it is ready: healthy three times, names ${version.model}, answers a prompt (at most ${edges.readyTimeoutMs / 1000} s)`,
        ]),
    `switch the route ${target.route} to it; requests that come later go to ${name}`,
    ...(target.labelled ? [`move the alias and the image tag ${target.alias}`] : []),
    ...(replaced === null || strategy === 'hold' || replaced.name !== target.route
      ? []
      : [farewell(edges, replaced, version, strategy)]),
  ];
}

function roomStep(route: string, serverId: string, strategy: Strategy): string {
  const what = strategy === 'sleep' ? 'put it to sleep' : 'stop it';
  return `hold the requests of ${route}, let ${serverId} finish its open answers, ${what}`;
}

function startStep(version: ModelVersion, { into, ready }: Choice, room: boolean): string {
  const name = `${version.model}:${version.version}`;
  if (into !== null) return `load the adapter of ${name} into ${into}, beside the one that is in use`;
  if (ready) return `wake ${ready.server.id}, which holds ${name}`;
  return `start a server of ${name} (${version.engine})${room ? '' : ' beside what runs'}`;
}

function farewell(
  { keepWarmMs, drainTimeoutMs }: PlanEdges,
  old: Route,
  version: ModelVersion,
  strategy: Strategy,
): string {
  const kept = keepWarmMs > 0 && old.digest !== version.digest;
  if (kept && strategy === 'sleep')
    return `keep ${old.serverId} asleep for ${keepWarmMs / 1000} s, so that a rollback wakes it`;
  return kept
    ? `keep ${old.serverId} running for ${keepWarmMs / 1000} s, so that a rollback takes milliseconds`
    : `let ${old.serverId} finish its open answers (at most ${drainTimeoutMs / 1000} s), then stop it`;
}
