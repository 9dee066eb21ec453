// What a promotion would do, for --dry-run. Reads the ledger and the engine's list of servers; changes nothing.
import type { Promotion, Route } from '../ledger/promotions.js';
import type { ModelVersion } from '../ledger/versions.js';
import { lastStartMs } from '../ledger/promotion-steps.js';
import { answeringRoute, makeChoice, type Choice } from './choice.js';
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

type PlanEdges = Pick<PromotionEdges, 'ledger' | 'engine' | 'now' | 'readyTimeoutMs' | 'drainTimeoutMs' | 'keepWarmMs'>;

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
  const replaced = ready === null ? choice.replaced : await answeringRoute(edges, { version, target });
  const alreadyLive = replaced?.digest === version.digest && fromVersion === version.version;
  const { model, version: toVersion, digest, engine } = version;
  const expectedStartMs =
    ready !== null || alreadyLive ? null : lastStartMs(edges.ledger, model, strategy === 'adapter-swap');
  return {
    ...{ kind, model, alias: target.alias, route: target.route, fromVersion, toVersion, digest, engine, alreadyLive },
    ...{ strategy, why, memory },
    steps: alreadyLive ? [] : promotionSteps(edges, { version, target }, { ...choice, replaced }),
    outage: strategy === 'hold' ? 'requests_wait' : 'none',
    expectedWaitMs: strategy === 'hold' ? expectedStartMs : null,
    expectedStartMs,
  };
}

function promotionSteps(
  edges: PlanEdges,
  { version, target }: Candidate,
  { replaced, ready, strategy, into }: Choice,
): string[] {
  const name = `${version.model}:${version.version}`;
  const held = strategy === 'hold' && replaced !== null;
  const begin =
    into === null
      ? `start a server of ${name} (${version.engine})${held ? '' : ' beside what runs'}`
      : `load the adapter of ${name} into ${into}, beside the one that is in use`;
  const start = [
    ...(held
      ? [`hold the requests of ${target.route}, let ${replaced.serverId} finish its open answers, stop it`]
      : []),
    begin,
    `wait until it is ready: healthy three times, names ${version.model}, answers a prompt (at most ${edges.readyTimeoutMs / 1000} s)`,
  ];
  return [
    ...(ready === null ? start : [`take ${ready.server.id}, which ${ready.warm ? 'was kept warm' : 'runs already'}`]),
    `switch the route ${target.route} to it; requests that come later go to ${name}`,
    ...(target.labelled ? [`move the alias and the image tag ${target.alias}`] : []),
    ...(replaced === null || held || replaced.name !== target.route ? [] : [farewell(edges, replaced, version)]),
  ];
}

function farewell({ keepWarmMs, drainTimeoutMs }: PlanEdges, old: Route, version: ModelVersion): string {
  return keepWarmMs > 0 && old.digest !== version.digest
    ? `keep ${old.serverId} running for ${keepWarmMs / 1000} s, so that a rollback takes milliseconds`
    : `let ${old.serverId} finish its open answers (at most ${drainTimeoutMs / 1000} s), then stop it`;
}
