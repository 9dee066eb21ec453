// Takes a canary or a shadow away: all requests go to the route's own version again, and the candidate's server is stopped unless it
// has the route by now. Touches: route_splits, the journal of its release, the candidate's route, the gateway's memory, model servers.
import type { ModelServer } from '../engine/engine.js';
import { write, type Ledger } from '../ledger/open.js';
import { findRoute, listPromotions, type Route } from '../ledger/promotions.js';
import { beginStep, endStep, listSteps } from '../ledger/promotion-steps.js';
import { deleteSplit, findSplit } from '../ledger/route-splits.js';
import { formatDuration } from '../output/numbers.js';
import { isServerAlive } from '../serving/liveness.js';
import type { PromotionEdges } from './edges.js';
import { eachOrLeave, type Done } from './leave.js';
import { takeRouteAway } from './retire.js';
import { isAmong, readRows, standingCanaries, type Rows } from './rows.js';
import { canaryAlias, routeName } from './targets.js';

/** One crash may be an accident. */
const crashesAtMost = 3;

/** `promoted`: it has all requests by now. Its release keeps it, as the last of its steps. */
export type CanaryEnd = { outcome: 'taken_back' | 'promoted'; code: string | null; actor: string; reason: string };

/** Idempotent: whatever of it is still there goes. @param end none: it never began. @returns whether there was one */
export async function endCanary(edges: PromotionEdges, model: string, end?: CanaryEnd): Promise<boolean> {
  const name = routeName(model, canaryAlias);
  const candidate = findRoute(edges.ledger, name);
  const split = findSplit(edges.ledger, model);
  if (!candidate && !split) return false;
  // First nobody is sent there any more, then its route goes, then its server, when its open answers are over.
  write(edges.ledger, () => {
    deleteSplit(edges.ledger, model);
    if (candidate && end) recordEnd(edges, candidate, end);
  });
  await (await edges.gateway()).readRows();
  if (candidate) await takeRouteAway(edges, candidate);
  return true;
}

/** Once: a command that dies after it is followed by one that takes away what is left, for no reason of its own. */
function recordEnd({ ledger, now }: PromotionEdges, candidate: Route, end: CanaryEnd): void {
  const promotionId = candidateRelease(ledger, candidate);
  if (promotionId === null || listSteps(ledger, promotionId).at(-1)?.step === 'end') return;
  const begunAtMs = now().getTime();
  const subject = JSON.stringify({ step: 'end', route: candidate.name, version: candidate.version });
  const position = beginStep(ledger, { promotionId, step: 'end', subject, begunAtMs });
  endStep(ledger, { promotionId, position }, 'done', begunAtMs, JSON.stringify(end));
}

/** By which a version got its share; null when nobody knows. */
export function candidateRelease(ledger: Ledger, { model, version }: Pick<Route, 'model' | 'version'>): number | null {
  const releases = listPromotions(ledger, { model, limit: 1_000 });
  const own = releases.find(
    ({ alias, toVersion, state }) => alias === canaryAlias && toVersion === version && state !== 'failed',
  );
  return own?.id ?? null;
}

/** Each as it is found. @returns the models of those that were lost */
export async function endLostCanaries(edges: PromotionEdges, actor: string): Promise<Done<string>> {
  return eachLostCanary(edges, readRows(edges.ledger), async (route, reason) => {
    // While servers were asked and others ended, a person may have begun another one.
    if (!isAmong(standingCanaries(readRows(edges.ledger)), route)) return undefined;
    const { model } = route;
    const ended = await endCanary(edges, model, { outcome: 'taken_back', code: null, actor, reason });
    return ended ? model : undefined;
  });
}

type Looking = Pick<PromotionEdges, 'ledger' | 'engine' | 'onNote' | 'now' | 'readyTimeoutMs'>;

/** Of those that stand, the ones whose server does not answer, with the reason. `end` may do nothing, for a plan. */
export function eachLostCanary(
  edges: Looking,
  rows: Rows,
  end: (route: Route, reason: string) => Promise<string | undefined>,
): Promise<Done<string>> {
  const left = ({ model }: Route): string => `The canary of ${model} could not be seen to.`;
  return eachOrLeave(edges, standingCanaries(rows), left, async (route) => {
    const reason = await whyLost(edges, route);
    return reason === undefined ? undefined : end(route, reason);
  });
}

/** Until it is taken back, the version that is live covers for it. @returns undefined: it answers, or may do so soon */
async function whyLost(edges: Looking, route: Route): Promise<string | undefined> {
  const { engine, serverId, address } = route;
  const servers = await edges.engine(engine);
  if (await isServerAlive(servers, { id: serverId, address })) return undefined;
  const found = (await servers.listServers()).find(({ id }) => id === serverId);
  if (!found) return silentText(serverId);
  return lostReason(found, edges.readyTimeoutMs, edges.now().getTime(), restartsBefore(edges.ledger, route));
}

/** What its server had had when its share began; 0 also of one that an earlier mlx began. */
function restartsBefore(ledger: Ledger, candidate: Route): number {
  const promotionId = candidateRelease(ledger, candidate);
  const share =
    promotionId === null ? undefined : listSteps(ledger, promotionId).findLast(({ step }) => step === 'share');
  const { restarts = 0 } = JSON.parse(share?.subject ?? '{}') as { restarts?: number };
  return restarts;
}

type Silent = Pick<ModelServer, 'id' | 'state' | 'exitStatus' | 'startedAtMs' | 'restarting' | 'restarts'>;

/** Of one that does not answer. @param restartsBefore its trial. @returns undefined: it may do so soon. Pure. */
export function lostReason(
  server: Silent,
  readyTimeoutMs: number,
  nowMs: number,
  restartsBefore: number,
): string | undefined {
  const { id, state, exitStatus, startedAtMs, restarting, restarts = 0 } = server;
  if (state !== 'starting' && restarting !== true) return silentText(id);
  // After a crash or a reboot Docker starts it again, and it answers when it has loaded its model.
  const crashes = restartsSince(restartsBefore, restarts);
  if (crashes >= crashesAtMost) return `its server ${id} crashed again and again (Docker started it ${crashes} times)`;
  // Between two lives the time of its start is that of the life that ended, which may have been a long and good one.
  if (exitStatus !== null || nowMs - startedAtMs <= readyTimeoutMs) return undefined;
  return `its server ${id} did not answer within ${formatDuration(readyTimeoutMs)} of its start`;
}

/** A Docker that was started again counts from 0. */
function restartsSince(before: number, restarts: number): number {
  return restarts < before ? restarts : restarts - before;
}

function silentText(serverId: string): string {
  return `its server ${serverId} did not answer any more`;
}
