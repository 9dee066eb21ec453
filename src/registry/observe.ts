// Looks at a version again and again while it has real requests, beside the one that it is held against. Reads the traffic log, the
// route's row, and asks the server whether it lives.
import type { Engine } from '../engine/engine.js';
import { answersHealth } from '../engine/health.js';
import { findRoute, openPromotions, type Route } from '../ledger/promotions.js';
import { openTrafficForReading } from '../ledger/traffic.js';
import { versionFigures, type FiguresFilter, type VersionFigures } from '../ledger/traffic-figures.js';
import { isServerAlive } from '../serving/liveness.js';
import type { PromotionEdges } from './edges.js';
import { isPastReturn } from './recovery.js';
import { readJournal } from './subjects.js';
import { judgeFigures, type Finding, type Judgement, type Verdict } from './watch-verdict.js';

/** `stopped`: by the person. `replaced`: another command has switched the route meanwhile. */
export type ObservedOutcome = Verdict | 'stopped' | 'replaced';

export type Observation = {
  /** Where the version gets its requests. */
  route: string;
  version: number;
  before: FiguresFilter;
  after: FiguresFilter;
  durationMs: number;
  /** How often it is looked at in all, which the level of the test depends on. */
  looks: number;
  everyMs: number;
  onLook: (seen: { before: VersionFigures; after: VersionFigures; passedMs: number }) => void;
};

const looksAtMost = 40;
const lookEveryMs = { least: 1_000, most: 15_000 };
const deadAfter = 3;
const betweenProbesMs = 1_000;
const heartbeatMs = 500;

/** How often a span is looked at. Pure. */
export function lookPlan(durationMs: number): { everyMs: number; looks: number } {
  const everyMs = Math.min(lookEveryMs.most, Math.max(lookEveryMs.least, durationMs / looksAtMost));
  return { everyMs, looks: Math.max(1, Math.ceil(durationMs / everyMs)) };
}

/** Ends early only for the worse: what is good so far may still go wrong. */
export async function observe(
  edges: PromotionEdges,
  observation: Observation,
): Promise<{ outcome: ObservedOutcome; findings: Finding[] }> {
  const { route, version, durationMs, everyMs, looks, onLook } = observation;
  const begun = edges.clock();
  let judged: Judgement = { verdict: 'inconclusive', findings: [] };
  for (;;) {
    const died = await deathWithin(edges, route, Math.min(everyMs, begun + durationMs - edges.clock()));
    if (edges.signal.aborted) return { outcome: 'stopped', findings: judged.findings };
    if (findRoute(edges.ledger, route)?.version !== version) return { outcome: 'replaced', findings: judged.findings };
    const dead = died ?? (await deadServer(edges, route));
    if (dead) return { outcome: 'worse', findings: [dead] };
    const [before, after] = readFigures(edges.trafficFile, [observation.before, observation.after]);
    judged = judgeFigures(before, after, looks);
    const passedMs = edges.clock() - begun;
    onLook({ before, after, passedMs });
    if (judged.verdict === 'worse' || passedMs >= durationMs)
      return { outcome: judged.verdict, findings: judged.findings };
  }
}

/** The figures are looked at seldom, whether it lives often: with a dead server every request fails. @returns undefined: it lived */
async function deathWithin(edges: PromotionEdges, name: string, durationMs: number): Promise<Finding | undefined> {
  const endMs = edges.clock() + durationMs;
  do {
    await edges.pause(Math.min(heartbeatMs, endMs - edges.clock()), edges.signal);
    const route = findRoute(edges.ledger, name);
    if (!route || edges.signal.aborted) return undefined;
    const dead = (await answersHealth(route.address)) ? undefined : await deadServer(edges, name);
    if (dead) return dead;
  } while (edges.clock() < endMs);
  return undefined;
}

function readFigures(
  trafficFile: string,
  [before, after]: [FiguresFilter, FiguresFilter],
): [VersionFigures, VersionFigures] {
  const traffic = openTrafficForReading(trafficFile);
  try {
    return [versionFigures(traffic, before), versionFigures(traffic, after)];
  } finally {
    traffic?.close();
  }
}

/** Its process has ended; or, as in readiness, it was silent three times in a row. */
async function deadServer(edges: PromotionEdges, name: string): Promise<Finding | undefined> {
  const route = findRoute(edges.ledger, name);
  if (!route) return undefined;
  const engine = await edges.engine(route.engine);
  for (let probe = 1; probe <= deadAfter; probe += 1) {
    if (await isServerAlive(engine, { id: route.serverId, address: route.address })) return undefined;
    if (await hasEnded(engine, route.serverId)) break;
    if (probe < deadAfter) await edges.pause(betweenProbesMs, edges.signal);
  }
  if (isInOtherHands(edges, route)) return undefined;
  const line = `its server ${route.serverId} does not answer any more`;
  return { figure: 'server', verdict: 'worse', before: null, after: null, probability: null, line };
}

async function hasEnded(engine: Pick<Engine, 'listServers'>, serverId: string): Promise<boolean> {
  const server = (await engine.listServers()).find(({ id }) => id === serverId);
  return server === undefined || server.state === 'exited';
}

/** Another command has stopped it (a hold stops the old server before the route is switched), or has put another one in its place. */
function isInOtherHands({ ledger }: PromotionEdges, { name, model, serverId }: Route): boolean {
  const atWork = openPromotions(ledger).some(
    (promotion) => promotion.model === model && !isPastReturn(readJournal(ledger, promotion.id)),
  );
  return atWork || findRoute(ledger, name)?.serverId !== serverId;
}
