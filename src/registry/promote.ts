// Puts a model version behind a route: the one code path of `mlx promote`, `mlx rollback` and `mlx serve`.
// Touches: promotions, routes and aliases of the ledger, model servers, the gateway, image tags.
import { MlxError } from '../errors.js';
import { endPromotion, findRoute, type Promotion, type Route } from '../ledger/promotions.js';
import { isServerAlive } from '../serving/liveness.js';
import type { PromotionEdges } from './edges.js';
import { beginPromotion } from './journal.js';
import { recordAliases, recoverPromotions } from './recover.js';
import { retireServers } from './retire.js';
import { switchRoute } from './switch.js';
import { liveVersion, type Candidate } from './targets.js';

export type PromotionRequest = Candidate & {
  kind: Promotion['kind'];
  actor: string;
  reason: string | null;
};

export type PromotionResult = {
  /** `restarted`: the version was live, but its server was gone. */
  outcome: 'promoted' | 'rolled_back' | 'already_live' | 'restarted' | 'failed';
  model: string;
  alias: string;
  route: string;
  fromVersion: number | null;
  toVersion: number;
  serverId: string | null;
  durationMs: number;
  error: { code: string; message: string; hint: string | null } | null;
};

/**
 * Anything that fails is undone, so that what ran before still runs; it is a result, not an exception.
 * @throws MlxError BUSY, and what keeps the gateway from running (PORT_TAKEN, GATEWAY_FAILED)
 */
export async function promote(edges: PromotionEdges, request: PromotionRequest): Promise<PromotionResult> {
  const begun = edges.clock();
  const { version, target, kind, actor, reason } = request;
  const { model, version: toVersion } = version;
  await edges.gateway();
  await recoverPromotions(edges, model);
  const live = await liveRoute(edges, request);
  const fromVersion = liveVersion(edges.ledger, model, target.alias) ?? null;
  const named = { model, alias: target.alias, fromVersion, toVersion };
  const result = (end: Pick<PromotionResult, 'outcome' | 'serverId' | 'error'>): PromotionResult => ({
    ...named,
    route: target.route,
    ...end,
    durationMs: Math.round(edges.clock() - begun),
  });
  if (live) return result({ outcome: 'already_live', serverId: live.serverId, error: null });
  const startedAtMs = edges.now().getTime();
  const id = beginPromotion(edges.ledger, { ...named, kind, actor, reason, startedAtMs });
  try {
    const route = await carryOut(edges, request, id, fromVersion);
    return result({ outcome: outcomeOf(request, fromVersion), serverId: route.serverId, error: null });
  } catch (error) {
    return result({ outcome: 'failed', serverId: null, error: recordFailure(edges, id, error) });
  }
}

async function carryOut(
  edges: PromotionEdges,
  { version, target }: PromotionRequest,
  id: number,
  fromVersion: number | null,
): Promise<Route> {
  const { model } = version;
  const before = findRoute(edges.ledger, target.route);
  const route = await switchRoute(edges, { version, target });
  if (target.labelled) {
    recordAliases(edges, { model, alias: target.alias, fromVersion, toVersion: version.version });
  }
  await retireServers(edges, model, [version.engine, ...(before ? [before.engine] : [])]);
  const endedAtMs = edges.now().getTime();
  endPromotion(edges.ledger, id, { state: 'promoted', endedAtMs, errorCode: null, errorMessage: null });
  return route;
}

/** The same image behind the same route, on a server that answers, and named by its alias. */
async function liveRoute(edges: PromotionEdges, { version, target }: PromotionRequest): Promise<Route | undefined> {
  const route = findRoute(edges.ledger, target.route);
  if (route?.digest !== version.digest || route.version !== version.version) return undefined;
  if (target.labelled && liveVersion(edges.ledger, version.model, target.alias) !== version.version) return undefined;
  const engine = await edges.engine(route.engine);
  return (await isServerAlive(engine, { id: route.serverId, address: route.address })) ? route : undefined;
}

function outcomeOf({ kind, version }: PromotionRequest, fromVersion: number | null): PromotionResult['outcome'] {
  if (fromVersion === version.version) return 'restarted';
  return kind === 'rollback' ? 'rolled_back' : 'promoted';
}

function recordFailure(edges: PromotionEdges, id: number, error: unknown): NonNullable<PromotionResult['error']> {
  const known =
    error instanceof MlxError
      ? error
      : new MlxError('INTERNAL', 'A step of the switch failed unexpectedly.', { cause: error });
  const endedAtMs = edges.now().getTime();
  const { code, message, hint } = known;
  endPromotion(edges.ledger, id, { state: 'failed', endedAtMs, errorCode: code, errorMessage: message });
  if (!(error instanceof MlxError)) throw error;
  return { code, message, hint: hint ?? null };
}
