// A version gets a share of the requests, or copies of them, before it gets all: share by share, each watched like a whole switch. It may
// be taken back by itself; all requests it gets from a person alone. Touches what a promotion touches, and route_splits.
import { currentOwner, ownerIsAlive } from '../engine/owner.js';
import { MlxError } from '../errors.js';
import { restartGateway } from '../gateway/control-api.js';
import { write } from '../ledger/open.js';
import { findRoute } from '../ledger/promotions.js';
import { beginStep, endStep } from '../ledger/promotion-steps.js';
import { changeSplit, findSplit, setSplit, type RouteSplit } from '../ledger/route-splits.js';
import type { ModelVersion } from '../ledger/versions.js';
import { candidateRelease, endCanary, type CanaryEnd } from './canary-end.js';
import type { CanaryPlan } from './canary-flags.js';
import type { PromotionEdges } from './edges.js';
import { lookPlan, observe, type ObservedOutcome } from './observe.js';
import { promote, type PromotionResult } from './promote.js';
import type { AskedStrategy } from './strategy.js';
import { canaryAlias, routeName } from './targets.js';
import { lookLine } from './watch-report.js';
import { worseText, type Finding } from './watch-verdict.js';

export type CanaryStep = { percent: number; outcome: ObservedOutcome; findings: Finding[]; durationMs: number };

export type CanaryResult = Pick<RouteSplit, 'kind' | 'sticky'> & {
  /** `standing`: it keeps its last share until a person decides. `taken_back`: nothing of it is left. */
  outcome: 'standing' | 'taken_back' | 'replaced' | 'failed';
  model: string;
  route: string;
  fromVersion: number;
  toVersion: number;
  /** Share that it has now. */
  percent: number;
  steps: CanaryStep[];
  /** Of the candidate's own release. */
  releaseId: number | null;
  error: PromotionResult['error'];
};

export type CanaryRequest = CanaryPlan & {
  version: ModelVersion;
  actor: string;
  reason: string | null;
  /** Else what fits. */
  strategy?: AskedStrategy;
};

/** @throws MlxError NOTHING_LIVE, BUSY, and what `promote` throws */
export async function runCanary(edges: PromotionEdges, request: CanaryRequest): Promise<CanaryResult> {
  const { version, kind, sticky, actor, reason, strategy = 'auto' } = request;
  const { model } = version;
  const fromVersion = requireOtherLive(edges, version);
  const { split, before } = claimSplit(edges, request);
  const target = { route: split.candidate, alias: canaryAlias, labelled: false };
  const known = { kind, sticky, model, route: model, fromVersion, toVersion: version.version, percent: 0, steps: [] };
  const notBegun = () => endAttempt(edges, split, before);
  const release = await begun(notBegun, () =>
    promote(edges, { version, target, kind: 'promote', actor, reason, strategy }),
  );
  if (release.error !== null) {
    await notBegun();
    const percent = before?.percent ?? 0;
    return { ...known, percent, outcome: 'failed', releaseId: release.id, error: release.error };
  }
  // Of a share that stands already, and goes on.
  const releaseId = release.id ?? candidateRelease(edges.ledger, version);
  const restarts = await restartsOf(edges, split.candidate);
  const steps = await stepUp(edges, request, split, { fromVersion, releaseId, restarts });
  const [last] = steps.slice(-1);
  const ended = { ...known, steps, releaseId, error: null };
  if (last?.outcome === 'replaced') return { ...ended, outcome: 'replaced' };
  if (last?.outcome === 'worse' || last?.outcome === 'stopped') {
    await endCanary({ ...edges, signal: new AbortController().signal }, model, takenBack(last, actor, fromVersion));
    return { ...ended, outcome: 'taken_back' };
  }
  return { ...ended, outcome: 'standing', percent: last?.percent ?? 0 };
}

function takenBack({ outcome, findings }: CanaryStep, actor: string, fromVersion: number): CanaryEnd {
  if (outcome !== 'worse')
    return { outcome: 'taken_back', code: 'INTERRUPTED', actor, reason: 'its command was stopped' };
  const reason = `it did worse than version ${fromVersion}: ${worseText(findings)}`;
  return { outcome: 'taken_back', code: 'WATCH_WORSE', actor, reason };
}

async function begun<Result>(notBegun: () => Promise<void>, start: () => Promise<Result>): Promise<Result> {
  try {
    return await start();
  } catch (error) {
    await notBegun();
    throw error;
  }
}

/** Where the candidate could not even be asked for nothing of it may stay, but what stood before. */
async function endAttempt(edges: PromotionEdges, split: RouteSplit, before: RouteSplit | undefined): Promise<void> {
  if (before === undefined) return void (await endCanary(edges, split.name));
  write(edges.ledger, () => {
    if (findSplit(edges.ledger, split.name)?.owner === split.owner) setSplit(edges.ledger, before);
  });
  await (await edges.gateway()).readRows();
}

function requireOtherLive(edges: PromotionEdges, { model, version, digest }: ModelVersion): number {
  const live = findRoute(edges.ledger, model);
  if (live && live.digest !== digest) return live.version;
  const why = live ? `${model}:${version} is live already` : `no version of ${model} is live to hold it against`;
  throw new MlxError('NOTHING_LIVE', `There is nothing to divide: ${why}.`, {
    hint: live ? `See what is live: mlx status` : `Put it live: mlx promote ${model}:${version}`,
  });
}

/** Before anything is started: a command that dies after it leaves a row that says what may be there. One transaction: two cannot both. */
function claimSplit(edges: PromotionEdges, request: CanaryRequest): { split: RouteSplit; before?: RouteSplit } {
  return write(edges.ledger, () => claimFree(edges, request));
}

function claimFree(edges: PromotionEdges, { version, kind, sticky }: CanaryRequest) {
  const { model } = version;
  const before = findSplit(edges.ledger, model);
  const candidate = routeName(model, canaryAlias);
  const other = findRoute(edges.ledger, candidate);
  const taken = before?.owner !== null && before !== undefined && ownerIsAlive(before.owner);
  if (taken || (other && other.digest !== version.digest)) {
    const what = other ? `${model}:${other.version}` : 'another version';
    throw new MlxError('BUSY', `${what} has a share of ${model} already.`, {
      hint: `Take it back first: mlx rollback ${model}`,
    });
  }
  const percent = before?.kind === kind ? before.percent : 0;
  const split = { name: model, kind, candidate, percent, sticky, owner: currentOwner() };
  setSplit(edges.ledger, split);
  return before ? { split, before } : { split };
}

/** `restarts` that its server had had before. */
type Trial = { fromVersion: number; releaseId: number | null; restarts: number };

async function restartsOf({ ledger, engine }: PromotionEdges, name: string): Promise<number> {
  const route = findRoute(ledger, name);
  const servers = route ? await (await engine(route.engine)).listServers() : [];
  return servers.find(({ id }) => id === route?.serverId)?.restarts ?? 0;
}

/** A share only rises where the one before did as well as the version that is live. */
async function stepUp(
  edges: PromotionEdges,
  request: CanaryRequest,
  split: RouteSplit,
  trial: Trial,
): Promise<CanaryStep[]> {
  const sinceMs = edges.now().getTime();
  const { looks } = lookPlan(request.everyMs);
  const steps: CanaryStep[] = [];
  for (const [index, percent] of request.shares.entries()) {
    const last = index === request.shares.length - 1;
    const shared = { ...split, percent };
    edges.onNote(`${shareText(request, percent)} ${request.version.model}:${request.version.version} now.`);
    const step = await shareStep(edges, request, shared, {
      ...{ ...trial, sinceMs },
      looks: looks * request.shares.length,
    });
    steps.push(step);
    const goesOn = step.outcome === 'pass' && !last;
    if (goesOn) continue;
    const stands = step.outcome === 'pass' || step.outcome === 'inconclusive';
    // Nobody steps it any more: it waits for a person.
    if (stands) changeSplit(edges.ledger, { ...shared, owner: null }, shared.owner ?? '');
    return steps;
  }
  return steps;
}

/** What a share is, for people: in front of the version that gets it. */
export function shareText({ kind }: Pick<RouteSplit, 'kind'>, percent: number): string {
  return kind === 'canary' ? `${percent} % of the requests go to` : `${percent} % of the requests are copied to`;
}

async function shareStep(
  edges: PromotionEdges,
  { version: candidate, kind, everyMs }: CanaryRequest,
  split: RouteSplit,
  from: Trial & { sinceMs: number; looks: number },
): Promise<CanaryStep> {
  const { model, version } = candidate;
  const { percent } = split;
  const begun = edges.clock();
  const journalled = beginShare(edges, split, from, everyMs);
  const mine = changeSplit(edges.ledger, split, split.owner ?? '');
  if (mine) await requireShared(edges, split);
  const span = { sinceMs: from.sinceMs, untilMs: Infinity };
  const { outcome, findings } = mine
    ? await observe(edges, {
        route: split.candidate,
        version,
        before: { version: `${model}:${from.fromVersion}`, ...span },
        after: { version: `${model}:${version}`, ...span, shadow: kind === 'shadow' },
        durationMs: everyMs,
        everyMs: lookPlan(everyMs).everyMs,
        looks: from.looks,
        onLook: (seen) =>
          edges.onLook(lookLine({ model, version, against: from.fromVersion }, { ...seen, watchMs: everyMs })),
      })
    : { outcome: 'replaced' as const, findings: [] };
  journalled(JSON.stringify({ outcome, findings }));
  return { percent, outcome, findings, durationMs: Math.round(edges.clock() - begun) };
}

/** In the journal of the candidate's release before it is done. @returns the end of it */
function beginShare(
  { ledger, now }: PromotionEdges,
  { name, kind, percent, owner }: RouteSplit,
  { releaseId: promotionId, restarts }: Trial,
  everyMs: number,
): (result: string) => void {
  if (promotionId === null) return () => undefined;
  const begunAtMs = now().getTime();
  const untilMs = begunAtMs + everyMs;
  const subject = JSON.stringify({ step: 'share', route: name, kind, percent, owner, untilMs, restarts });
  const position = beginStep(ledger, { promotionId, step: 'share', subject, begunAtMs });
  return (result) => endStep(ledger, { promotionId, position }, 'done', now().getTime(), result);
}

/** The gateway's word that it divides so. */
async function requireShared(edges: PromotionEdges, { name, percent }: RouteSplit): Promise<void> {
  const state = await (await edges.gateway()).readRows();
  const used = state?.splits.find((split) => split.name === name);
  if (used?.percent === percent) return;
  throw new MlxError('GATEWAY_STALE', `The gateway does not give ${percent} % of ${name} to its candidate.`, {
    hint: `Start it again: ${restartGateway}`,
  });
}
