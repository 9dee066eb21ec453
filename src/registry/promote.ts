// Puts a model version behind a route: the one code path of `mlx promote`, `mlx rollback` and `mlx serve`.
// Touches: promotions, routes and aliases of the ledger, model servers, the gateway, image tags.
import { errorMessage, MlxError, type Problem } from '../errors.js';
import {
  isRestart,
  findPromotion,
  findRoute,
  releasePromotion,
  turnPromotionBack,
  type Promotion,
  type Route,
} from '../ledger/promotions.js';
import { write } from '../ledger/open.js';
import { setWarmUntil } from '../ledger/warm-servers.js';
import { isServerAlive } from '../serving/liveness.js';
import { callOffRestart } from './call-off.js';
import type { PromotionEdges } from './edges.js';
import { beginPromotion, openJournal, type Journal } from './journal.js';
import { endAsPromoted, recoverPromotions, undoPromotion } from './recover.js';
import { requireOwnTags } from './labels.js';
import { isPastReturn } from './recovery.js';
import { makeChoice, makesRoom, type Choice, type ReadyServer } from './choice.js';
import type { AskedStrategy } from './strategy.js';
import { readJournal } from './subjects.js';
import { switchRoute, type Moved } from './switch.js';
import { liveVersion, type Candidate } from './targets.js';

export type PromotionRequest = Candidate & {
  kind: Promotion['kind'];
  actor: string;
  reason: string | null;
  /** Else what fits. */
  strategy?: AskedStrategy;
};

export type PromotionResult = {
  /** Of the release, for `mlx releases show`; null when nothing was to be done. */
  id: number | null;
  /** `restarted`: the version was live, but its server was gone. */
  outcome: 'promoted' | 'rolled_back' | 'already_live' | 'restarted' | 'failed';
  model: string;
  alias: string;
  route: string;
  fromVersion: number | null;
  toVersion: number;
  serverId: string | null;
  durationMs: number;
  error: { code: string; message: string; hint: string | null; problems?: Problem[] } | null;
};

type Ended = Pick<PromotionResult, 'id' | 'outcome' | 'serverId' | 'error'>;

/**
 * Anything that fails is undone, so that what ran before still runs; it is a result, not an exception.
 * @throws MlxError BUSY, TAG_MOVED, STRATEGY_IMPOSSIBLE, and what keeps the gateway from running (PORT_TAKEN, GATEWAY_FAILED, GATEWAY_HANGS)
 */
export async function promote(edges: PromotionEdges, request: PromotionRequest): Promise<PromotionResult> {
  const begun = edges.clock();
  const { version, target } = request;
  const { model, version: toVersion } = version;
  const gateway = edges.gateway();
  // Whether it runs is asked beside the other questions, and told where it counts.
  gateway.catch(() => undefined);
  if (request.kind === 'rollback') await callOffRestart(edges, model, target.alias);
  await recoverPromotions(edges);
  const live = await liveRoute(edges, request);
  const moved = {
    ...{ model, alias: target.alias, toVersion },
    fromVersion: liveVersion(edges.ledger, model, target.alias) ?? null,
  };
  const changes = request.kind === 'promote' && moved.fromVersion !== toVersion;
  const [, choice] = await Promise.all([
    gateway,
    live ? undefined : makeChoice(edges, request, request.strategy ?? 'auto'),
    changes ? requireOwnTags(edges, model) : undefined,
  ]);
  const known = { ...moved, route: target.route };
  if (live || !choice) return { ...known, ...alreadyLive(live), durationMs: Math.round(edges.clock() - begun) };
  const id = begin(edges, request, moved, choice.ready);
  if (id === undefined) return promote(edges, request);
  // Where nothing has to be started the gateway was asked a moment ago; a start may outlive it.
  const near = choice.ready?.asleep === false ? { ...edges, gateway: () => gateway } : edges;
  const ended = await carryOut(edges, near, { ...request, moved }, choice, id);
  return { ...known, ...ended, durationMs: Math.round(edges.clock() - begun) };
}

function alreadyLive(live: Route | undefined): Ended {
  return { id: null, outcome: 'already_live', serverId: live?.serverId ?? null, error: null };
}

/** `near`: for the way forward; the way back may have to start the gateway again. */
async function carryOut(
  edges: PromotionEdges,
  near: PromotionEdges,
  request: PromotionRequest & { moved: Moved },
  choice: Choice,
  id: number,
): Promise<Ended> {
  const { ready, into, replaced } = choice;
  sayStrategy(edges, request, choice);
  const { strategy } = choice;
  const room = makesRoom(strategy) ? { by: strategy, maxMs: edges.maxHoldMs } : null;
  const ended = { id, outcome: outcomeOf(request.kind, request.moved), error: null };
  const journal = openJournal(edges, id);
  try {
    const route = await switchRoute(near, journal, { ...request, ready, room, into, replaced });
    await endAsPromoted(edges, journal);
    return { ...ended, serverId: route.serverId };
  } catch (error) {
    const served = leftToOthers(edges, request, journal, error);
    return served ? { ...ended, serverId: served.serverId } : turnBack(edges, journal, error);
  }
}

function sayStrategy({ onNote }: PromotionEdges, { strategy: asked = 'auto' }: PromotionRequest, choice: Choice): void {
  if (asked === 'auto' || (choice.ready?.asleep !== false && choice.strategy === asked)) return;
  onNote(`--strategy ${asked} has no effect here: ${choice.why}.`);
}

/** With it a server that was kept warm is taken, so that nobody stops it now. @returns undefined when it was given up meanwhile */
function begin(
  { ledger, now, readyTimeoutMs }: PromotionEdges,
  { kind, actor, reason }: PromotionRequest,
  moved: Moved,
  ready: ReadyServer | null,
): number | undefined {
  const startedAtMs = now().getTime();
  return write(ledger, () => {
    const until = { notBeforeMs: startedAtMs, untilMs: startedAtMs + readyTimeoutMs };
    if (ready?.warm && !setWarmUntil(ledger, ready.server.id, until)) return undefined;
    return beginPromotion(ledger, { ...moved, kind, actor, reason, startedAtMs });
  });
}

/** Past the point of no return a failure changes nothing: the version is live, and the next command does the rest. */
function leftToOthers(
  edges: PromotionEdges,
  { target }: PromotionRequest,
  journal: Journal,
  error: unknown,
): Route | undefined {
  const { promotionId: id } = journal;
  if (!isPastReturn(readJournal(edges.ledger, id))) return undefined;
  journal.close(() => releasePromotion(edges.ledger, id));
  edges.onNote(`What comes after the switch failed (${errorMessage(error)}); the next command tries again.`);
  return findRoute(edges.ledger, target.route);
}

/** Written down first: whoever finds the promotion after a crash goes on back. */
async function turnBack(edges: PromotionEdges, journal: Journal, error: unknown): Promise<Ended> {
  const { promotionId: id } = journal;
  const known =
    error instanceof MlxError
      ? error
      : new MlxError('INTERNAL', 'A step of the switch failed unexpectedly.', { cause: error });
  const { code, message, hint, problems } = known;
  journal.close(() => turnPromotionBack(edges.ledger, id, { code, message }));
  const promotion = findPromotion(edges.ledger, id);
  if (promotion) await undoPromotion(edges, promotion, readJournal(edges.ledger, id).toReversed());
  if (!(error instanceof MlxError)) throw error;
  const told = { code, message, hint: hint ?? null, ...(problems.length > 0 && { problems }) };
  return { id, outcome: 'failed', serverId: null, error: told };
}

/** The same image behind the same route, on a server that answers, and named by its alias. */
async function liveRoute(edges: PromotionEdges, { version, target }: PromotionRequest): Promise<Route | undefined> {
  const route = findRoute(edges.ledger, target.route);
  if (route?.digest !== version.digest || route.version !== version.version) return undefined;
  if (target.labelled && liveVersion(edges.ledger, version.model, target.alias) !== version.version) return undefined;
  const engine = await edges.engine(route.engine);
  return (await isServerAlive(engine, { id: route.serverId, address: route.address })) ? route : undefined;
}

function outcomeOf(kind: Promotion['kind'], moved: Moved): PromotionResult['outcome'] {
  if (isRestart(moved)) return 'restarted';
  return kind === 'rollback' ? 'rolled_back' : 'promoted';
}
