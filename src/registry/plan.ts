// What a promotion would do, for --dry-run. Reads the ledger and the engine's list of servers; changes nothing.
import { findRoute, type Promotion, type Route } from '../ledger/promotions.js';
import { isServerAlive } from '../serving/liveness.js';
import type { ModelVersion } from '../ledger/versions.js';
import { listWarmServers } from '../ledger/warm-servers.js';
import { lastStartMs } from '../ledger/promotion-steps.js';
import type { PromotionEdges } from './edges.js';
import type { Strategy } from './strategy.js';
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
  /** What clients would notice. */
  outage: 'none' | 'requests_wait';
  /** How long they would wait, by the starts of this model so far; null: it never started here, or nobody waits. */
  expectedWaitMs: number | null;
};

type PlanEdges = Pick<PromotionEdges, 'ledger' | 'engine' | 'now' | 'readyTimeoutMs' | 'drainTimeoutMs' | 'keepWarmMs'>;

export async function planPromotion(
  edges: PlanEdges,
  { version, target }: Candidate,
  kind: Promotion['kind'],
  asked: Strategy = 'side-by-side',
): Promise<PromotionPlan> {
  const route = findRoute(edges.ledger, target.route);
  const fromVersion = liveVersion(edges.ledger, version.model, target.alias) ?? null;
  const alive = route !== undefined && (await isServerAlive(await edges.engine(route.engine), serverOf(route)));
  const alreadyLive = alive && route.digest === version.digest && fromVersion === version.version;
  const { model, version: toVersion, digest, engine } = version;
  const old = alive ? route : undefined;
  const ready = alreadyLive ? undefined : await readyServer(edges, version);
  const strategy = old !== undefined && ready === undefined && !alreadyLive ? asked : 'side-by-side';
  return {
    ...{ kind, model, alias: target.alias, route: target.route, fromVersion, toVersion, digest, engine, alreadyLive },
    strategy,
    steps: alreadyLive ? [] : promotionSteps(edges, { version, target }, { old, ready, strategy }),
    outage: strategy === 'hold' ? 'requests_wait' : 'none',
    expectedWaitMs: strategy === 'hold' ? lastStartMs(edges.ledger, version.model) : null,
  };
}

function serverOf({ serverId, address }: { serverId: string; address: string }) {
  return { id: serverId, address };
}

/** One that was kept warm: nothing is to be started and waited for. */
async function readyServer(edges: PlanEdges, version: ModelVersion): Promise<string | undefined> {
  const nowMs = edges.now().getTime();
  const warm = listWarmServers(edges.ledger).filter(({ untilMs }) => untilMs > nowMs);
  const servers = warm.length === 0 ? [] : await (await edges.engine(version.engine)).listServers();
  const fits = servers.find(
    ({ id, digest }) => digest === version.digest && warm.some(({ serverId }) => serverId === id),
  );
  return fits?.id;
}

function promotionSteps(
  edges: PlanEdges,
  { version, target }: Candidate,
  { old, ready, strategy }: { old: Route | undefined; ready: string | undefined; strategy: Strategy },
): string[] {
  const name = `${version.model}:${version.version}`;
  const held = strategy === 'hold' && old !== undefined;
  const start = [
    ...(held ? [`hold the requests of ${target.route}, let ${old.serverId} finish its open answers, stop it`] : []),
    `start a server of ${name} (${version.engine})${held ? '' : ' beside what runs'}`,
    `wait until it is ready: healthy three times, names ${version.model}, answers a prompt (at most ${edges.readyTimeoutMs / 1000} s)`,
  ];
  return [
    ...(ready === undefined ? start : [`take ${ready}, which was kept warm`]),
    `switch the route ${target.route} to it; requests that come later go to ${name}`,
    ...(target.labelled ? [`move the alias and the image tag ${target.alias}`] : []),
    ...(old === undefined || held ? [] : [farewell(edges, old, version)]),
  ];
}

function farewell({ keepWarmMs, drainTimeoutMs }: PlanEdges, old: Route, version: ModelVersion): string {
  return keepWarmMs > 0 && old.digest !== version.digest
    ? `keep ${old.serverId} running for ${keepWarmMs / 1000} s, so that a rollback takes milliseconds`
    : `let ${old.serverId} finish its open answers (at most ${drainTimeoutMs / 1000} s), then stop it`;
}
