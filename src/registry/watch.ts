// The time after a switch: the new version's requests against the old one's, and the old version back where the new one does worse.
// Touches: the journal, the traffic log (reading), and for the way back what a rollback touches.
import { dayMs } from '../config/metering.js';
import { currentOwner } from '../engine/owner.js';
import { MlxError } from '../errors.js';
import { isRestart, findRoute, listPromotions } from '../ledger/promotions.js';
import { beginStep, endStep } from '../ledger/promotion-steps.js';
import { findVersion } from '../ledger/versions.js';
import type { PromotionEdges } from './edges.js';
import { versionBefore } from './history.js';
import { lookPlan, observe, type ObservedOutcome } from './observe.js';
import { promote, type PromotionResult } from './promote.js';
import type { AskedStrategy } from './strategy.js';
import { aliasTarget } from './targets.js';
import { lookLine } from './watch-report.js';
import { worseText, type Finding } from './watch-verdict.js';

export type Watch = {
  /** Of the release that is watched. */
  releaseId: number;
  model: string;
  alias: string;
  route: string;
  version: number;
  /** The version that it is held against, and that comes back. */
  against: number;
};

export type WatchReport = {
  outcome: ObservedOutcome;
  findings: Finding[];
  durationMs: number;
  /** The release that put the old version back. */
  rollback: PromotionResult | null;
};

export type WatchRequest = { watchMs: number; actor: string; strategy?: AskedStrategy | undefined };

const baselineMs = 7 * dayMs;

/** What there is to watch: undefined where no version was there before. A version that is live already is watched again. */
export function watchOf(edges: Pick<PromotionEdges, 'ledger'>, result: PromotionResult): Watch | undefined {
  const { id, model, alias, route, fromVersion, toVersion } = result;
  const watched = { model, alias, route, version: toVersion };
  // Its own release: one whose old server could not be stopped yet is not listed as promoted.
  if (id !== null && !isRestart(result))
    return fromVersion === null ? undefined : { ...watched, releaseId: id, against: fromVersion };
  const release = listPromotions(edges.ledger, { model, state: 'promoted', limit: 1_000 }).find(
    (promotion) => promotion.alias === alias && promotion.toVersion === toVersion && !isRestart(promotion),
  );
  const before = versionBefore(edges.ledger, { model, alias }, toVersion);
  return release && before && { ...watched, releaseId: release.id, against: before.version };
}

/** The journal has it before the first look: of a watch whose command dies, it is known that it ended without a word. */
export async function watchRelease(edges: PromotionEdges, watch: Watch, request: WatchRequest): Promise<WatchReport> {
  const begunAtMs = edges.now().getTime();
  const begun = edges.clock();
  const subject = {
    step: 'watch',
    owner: currentOwner(),
    version: watch.version,
    against: watch.against,
    untilMs: begunAtMs + request.watchMs,
  };
  const promotionId = watch.releaseId;
  const position = beginStep(edges.ledger, { promotionId, step: 'watch', subject: JSON.stringify(subject), begunAtMs });
  const looked = await look(edges, watch, { begunAtMs, watchMs: request.watchMs });
  const { findings } = looked;
  const isLive = findRoute(edges.ledger, watch.route)?.version === watch.version;
  const outcome = looked.outcome === 'worse' && !isLive ? 'replaced' : looked.outcome;
  const rollback = outcome === 'worse' ? await takeBack(edges, watch, findings, request) : null;
  // Beside the findings what became of it: worse is not yet taken back.
  const error = rollback?.error ?? null;
  const result = JSON.stringify({ outcome, findings, taken_back: rollback && error === null, error: error?.message });
  endStep(edges.ledger, { promotionId, position }, 'done', edges.now().getTime(), result);
  return { outcome, findings, durationMs: Math.round(edges.clock() - begun), rollback };
}

function look(edges: PromotionEdges, watch: Watch, { begunAtMs, watchMs }: { begunAtMs: number; watchMs: number }) {
  const version = (number: number): string => `${watch.model}:${number}`;
  return observe(edges, {
    route: watch.route,
    version: watch.version,
    before: { version: version(watch.against), sinceMs: begunAtMs - baselineMs, untilMs: begunAtMs },
    after: { version: version(watch.version), sinceMs: begunAtMs, untilMs: Infinity },
    durationMs: watchMs,
    ...lookPlan(watchMs),
    onLook: (seen) => edges.onLook(lookLine(watch, { ...seen, watchMs })),
  });
}

/** What keeps it from being taken back (another command is at work) is a result too: the watch has found what it found. */
async function takeBack(
  edges: PromotionEdges,
  watch: Watch,
  findings: readonly Finding[],
  request: WatchRequest,
): Promise<PromotionResult> {
  try {
    return await putBack(edges, watch, findings, request);
  } catch (error) {
    if (!(error instanceof MlxError)) throw error;
    const { code, message, hint } = error;
    const { model, alias, route, version: fromVersion, against: toVersion } = watch;
    const known = { id: null, outcome: 'failed' as const, serverId: null, durationMs: 0 };
    return { ...known, model, alias, route, fromVersion, toVersion, error: { code, message, hint: hint ?? null } };
  }
}

/** Through the same code as a person's rollback, with what was found as its reason. Ctrl-C does not end it. */
async function putBack(
  edges: PromotionEdges,
  watch: Watch,
  findings: readonly Finding[],
  { actor, strategy }: WatchRequest,
): Promise<PromotionResult> {
  const why = worseText(findings);
  const reason = `release ${watch.releaseId} did worse than version ${watch.against}: ${why}`;
  edges.onNote(`${watch.model}:${watch.version} does worse: ${why}. Version ${watch.against} is put back.`);
  return promote(
    { ...edges, signal: new AbortController().signal },
    {
      version: findVersion(edges.ledger, `${watch.model}:${watch.against}`),
      target: aliasTarget(watch.model, watch.alias),
      kind: 'rollback',
      actor,
      reason,
      ...(strategy === undefined ? {} : { strategy }),
    },
  );
}
