// What a promotion would do, for --dry-run. Reads the ledger and the engine's list of servers; changes nothing.
import { findRoute, type Promotion } from '../ledger/promotions.js';
import { isServerAlive } from '../serving/liveness.js';
import type { PromotionEdges } from './edges.js';
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
  /** What clients would notice. */
  outage: 'none';
};

export async function planPromotion(
  edges: Pick<PromotionEdges, 'ledger' | 'engine' | 'readyTimeoutMs' | 'drainTimeoutMs'>,
  { version, target }: Candidate,
  kind: Promotion['kind'],
): Promise<PromotionPlan> {
  const route = findRoute(edges.ledger, target.route);
  const fromVersion = liveVersion(edges.ledger, version.model, target.alias) ?? null;
  const alive = route !== undefined && (await isServerAlive(await edges.engine(route.engine), serverOf(route)));
  const alreadyLive = alive && route.digest === version.digest && fromVersion === version.version;
  const { model, version: toVersion, digest, engine } = version;
  return {
    ...{ kind, model, alias: target.alias, route: target.route, fromVersion, toVersion, digest, engine, alreadyLive },
    steps: alreadyLive ? [] : promotionSteps(edges, { version, target }, alive ? route.serverId : undefined),
    outage: 'none',
  };
}

function serverOf({ serverId, address }: { serverId: string; address: string }) {
  return { id: serverId, address };
}

function promotionSteps(
  edges: Pick<PromotionEdges, 'readyTimeoutMs' | 'drainTimeoutMs'>,
  { version, target }: Candidate,
  oldServer: string | undefined,
): string[] {
  const name = `${version.model}:${version.version}`;
  return [
    `start a server of ${name} (${version.engine}) beside what runs`,
    `wait until it is ready: healthy three times, names ${version.model}, answers a prompt (at most ${edges.readyTimeoutMs / 1000} s)`,
    `switch the route ${target.route} to it; requests that come later go to ${name}`,
    ...(target.labelled ? [`move the alias and the image tag ${target.alias}`] : []),
    ...(oldServer === undefined
      ? []
      : [`let ${oldServer} finish its open answers (at most ${edges.drainTimeoutMs / 1000} s), then stop it`]),
  ];
}
