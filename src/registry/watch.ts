// The time after a switch: the new version's requests against the old one's, and the old version back where the new one does worse.
// Touches: the journal, the traffic log (reading), and for the way back what a rollback touches.
import { currentOwner } from '../engine/owner.js';
import { findRoute, listPromotions } from '../ledger/promotions.js';
import { beginStep, endStep } from '../ledger/promotion-steps.js';
import { openTrafficForReading } from '../ledger/traffic.js';
import { versionFigures, type VersionFigures } from '../ledger/traffic-figures.js';
import { findVersion } from '../ledger/versions.js';
import { isServerAlive } from '../serving/liveness.js';
import type { PromotionEdges } from './edges.js';
import { promote, type PromotionResult } from './promote.js';
import type { Strategy } from './strategy.js';
import { aliasTarget } from './targets.js';
import { progressLine } from './watch-report.js';
import { judgeFigures, type Finding, type Judgement, type Verdict } from './watch-verdict.js';

/** `stopped`: by the person. `replaced`: another command has put another version live meanwhile. */
export type WatchOutcome = Verdict | 'stopped' | 'replaced';

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
  outcome: WatchOutcome;
  findings: Finding[];
  durationMs: number;
  /** The release that put the old version back. */
  rollback: PromotionResult | null;
};

export type WatchRequest = { watchMs: number; actor: string; strategy?: Strategy | undefined };

const baselineMs = 7 * 86_400_000;
const looksAWatch = 40;
const lookEveryMs = { least: 1_000, most: 15_000 };
const deadAfter = 3;
const betweenProbesMs = 1_000;

/** What there is to watch: undefined where no version was there before. A version that is live already is watched again. */
export function watchOf(edges: Pick<PromotionEdges, 'ledger'>, result: PromotionResult): Watch | undefined {
  const { model, alias, route, toVersion } = result;
  const release = listPromotions(edges.ledger, { model, state: 'promoted', limit: 1_000 }).find(
    (promotion) =>
      promotion.alias === alias && promotion.toVersion === toVersion && promotion.fromVersion !== promotion.toVersion,
  );
  if (!release || release.fromVersion === null) return undefined;
  return { releaseId: release.id, model, alias, route, version: toVersion, against: release.fromVersion };
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
  const { outcome, findings } = await look(edges, watch, { begunAtMs, watchMs: request.watchMs });
  const result = JSON.stringify({ outcome, findings });
  endStep(edges.ledger, { promotionId, position }, 'done', edges.now().getTime(), result);
  const rollback = outcome === 'worse' ? await takeBack(edges, watch, findings, request) : null;
  return { outcome, findings, durationMs: Math.round(edges.clock() - begun), rollback };
}

/** How often a watch is judged, which its verdicts depend on. Pure. */
export function lookPlan(watchMs: number): { everyMs: number; looks: number } {
  const everyMs = Math.min(lookEveryMs.most, Math.max(lookEveryMs.least, watchMs / looksAWatch));
  return { everyMs, looks: Math.max(1, Math.ceil(watchMs / everyMs)) };
}

/** Ends early only for the worse: what is good so far may still go wrong. */
async function look(
  edges: PromotionEdges,
  watch: Watch,
  { begunAtMs, watchMs }: { begunAtMs: number; watchMs: number },
): Promise<{ outcome: WatchOutcome; findings: Finding[] }> {
  const { everyMs, looks } = lookPlan(watchMs);
  const serverId = findRoute(edges.ledger, watch.route)?.serverId;
  const begun = edges.clock();
  const before = figuresOf(edges, watch.model, watch.against, { sinceMs: begunAtMs - baselineMs, untilMs: begunAtMs });
  let judged: Judgement = { verdict: 'inconclusive', findings: [] };
  for (;;) {
    await edges.pause(Math.min(everyMs, begun + watchMs - edges.clock()));
    if (edges.signal.aborted) return { outcome: 'stopped', findings: judged.findings };
    if (findRoute(edges.ledger, watch.route)?.serverId !== serverId)
      return { outcome: 'replaced', findings: judged.findings };
    const dead = await deadServer(edges, watch);
    if (dead) return { outcome: 'worse', findings: [dead] };
    const after = figuresOf(edges, watch.model, watch.version, { sinceMs: begunAtMs, untilMs: Infinity });
    judged = judgeFigures(before, after, looks);
    const passedMs = edges.clock() - begun;
    edges.onProgress(progressLine(watch, { before, after, passedMs, watchMs }), Math.min(1, passedMs / watchMs));
    if (judged.verdict === 'worse' || passedMs >= watchMs)
      return { outcome: judged.verdict, findings: judged.findings };
  }
}

function figuresOf(
  edges: PromotionEdges,
  model: string,
  version: number,
  span: { sinceMs: number; untilMs: number },
): VersionFigures {
  const traffic = openTrafficForReading(edges.trafficFile);
  try {
    return versionFigures(traffic, { version: `${model}:${version}`, ...span });
  } finally {
    traffic?.close();
  }
}

/** As in readiness, one look is not enough: three in a row. */
async function deadServer(edges: PromotionEdges, watch: Watch): Promise<Finding | undefined> {
  const route = findRoute(edges.ledger, watch.route);
  if (!route) return undefined;
  const engine = await edges.engine(route.engine);
  for (let probe = 1; probe <= deadAfter; probe += 1) {
    if (await isServerAlive(engine, { id: route.serverId, address: route.address })) return undefined;
    if (probe < deadAfter) await edges.pause(betweenProbesMs);
  }
  const line = `its server ${route.serverId} does not answer any more`;
  return { figure: 'server', verdict: 'worse', before: null, after: null, probability: null, line };
}

/** Through the same code as a person's rollback, with what was found as its reason. Ctrl-C does not end it. */
async function takeBack(
  edges: PromotionEdges,
  watch: Watch,
  findings: readonly Finding[],
  { actor, strategy }: WatchRequest,
): Promise<PromotionResult> {
  const why = findings.filter(({ verdict }) => verdict === 'worse').map(({ line }) => line);
  const reason = `release ${watch.releaseId} did worse than version ${watch.against}: ${why.join('; ')}`;
  edges.onNote(`${watch.model}:${watch.version} does worse: ${why.join('; ')}. Version ${watch.against} is put back.`);
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
