// Whether a new version does worse than the old one, by what the traffic log says of both. Pure.
import type { VersionFigures } from '../ledger/traffic-figures.js';
import { formatMilliseconds, formatShare } from '../output/numbers.js';
import { fisherExact, type Share } from './fisher.js';

export type Verdict = 'pass' | 'worse' | 'inconclusive';

export type Finding = {
  figure: 'server' | 'errors' | 'latency' | 'first_token' | 'finish_reasons';
  verdict: Verdict;
  /** Shares from 0 to 1; milliseconds of the 95th percentile. */
  before: number | null;
  after: number | null;
  /** How likely the difference is by chance. */
  probability: number | null;
  line: string;
};

export type Judgement = { verdict: Verdict; findings: Finding[] };

/** With fewer nobody can say that all is well, or how long answers take: 30 requests without a failure still allow a rate of 10 % (the rule of three). */
export const fewestRequests = 30;
/** Chance of taking a version back that is not worse, for a whole watch. */
const falseAlarms = 0.05;
const figureCount = 4;
/** Differences that nobody would take a version back for, however certain: 1 point of errors, 10 of cut answers, half as long again. */
const tolerated = { errors: 0.01, finishReasons: 0.1, slowness: 1.5 };

/**
 * Each figure by Fisher's exact test, at a level divided by the number of tests of the whole watch (Bonferroni), so that looking often
 * finds no more by chance. Percentiles by the quantile test: of both samples together those from the 95th percentile on are counted
 * (W. J. Conover, Practical Nonparametric Statistics, 3rd edition, section 4.3, the median test for another quantile).
 * An exact test holds for few requests too, so a version that fails them is found before there are enough of them for a good one. Times and
 * cut answers accuse nobody before: the first answers of a server that was just started are no sample of those that follow.
 */
export function judgeFigures(before: VersionFigures, after: VersionFigures, looks: number): Judgement {
  const level = falseAlarms / (Math.max(1, looks) * figureCount);
  const findings = [
    judgeErrors(before, after, level),
    judgeTimes('latency', before.latenciesMs, after.latenciesMs, level),
    judgeTimes('first_token', before.firstTokensMs, after.firstTokensMs, level),
    judgeFinishReasons(before, after, level),
  ];
  return { verdict: overall(findings), findings };
}

/** First tokens and finish reasons do not come with every kind of request: they can accuse, and need not acquit. */
function overall(findings: readonly Finding[]): Verdict {
  if (findings.some(({ verdict }) => verdict === 'worse')) return 'worse';
  const needed = findings.filter(({ figure }) => figure === 'errors' || figure === 'latency');
  return needed.some(({ verdict }) => verdict === 'inconclusive') ? 'inconclusive' : 'pass';
}

/** Why a version does worse, for the middle of a sentence. */
export function worseText(findings: readonly Finding[]): string {
  return findings.flatMap(({ verdict, line }) => (verdict === 'worse' ? [line] : [])).join('; ');
}

export function findingLines(findings: readonly Finding[], indent: string): string[] {
  return findings.map(({ verdict, line }) => `${indent}${verdict.padEnd(13)} ${line}`);
}

function judgeErrors(before: VersionFigures, after: VersionFigures, level: number): Finding {
  const old = { hits: before.failures, of: before.requests };
  const now = { hits: after.failures, of: after.requests };
  const line = `${rateText(now)} of requests failed (before: ${rateText(old)})`;
  return judgeShares('errors', old, now, { level, tolerance: tolerated.errors, atOnce: true, line });
}

function judgeFinishReasons(before: VersionFigures, after: VersionFigures, level: number): Finding {
  const old = cutShare(before.finishReasons);
  const now = cutShare(after.finishReasons);
  const line = `${rateText(now)} of answers were cut off (before: ${rateText(old)})`;
  return judgeShares('finish_reasons', old, now, { level, tolerance: tolerated.finishReasons, atOnce: false, line });
}

/** By a limit or a filter, rather than ended by the model itself. */
function cutShare(reasons: VersionFigures['finishReasons']): Share {
  const own = new Set(['stop', 'end_turn', 'stop_sequence', 'tool_calls', 'tool_use', 'function_call']);
  const counted = Object.entries(reasons);
  const sum = (counts: typeof counted): number => counts.reduce((total, [, count]) => total + count, 0);
  return { hits: sum(counted.filter(([reason]) => !own.has(reason))), of: sum(counted) };
}

function judgeShares(
  figure: Finding['figure'],
  before: Share,
  after: Share,
  { level, tolerance, atOnce, line }: { level: number; tolerance: number; atOnce: boolean; line: string },
): Finding {
  const probability = fisherExact(before, after);
  const differs = probability < level && rate(after) - rate(before) > tolerance;
  const enough = Math.min(before.of, after.of) >= fewestRequests;
  const verdict = differs && (enough || atOnce) ? 'worse' : enough ? 'pass' : 'inconclusive';
  return { figure, verdict, before: rateOrNull(before), after: rateOrNull(after), probability, line };
}

function judgeTimes(
  figure: 'latency' | 'first_token',
  beforeMs: readonly number[],
  afterMs: readonly number[],
  level: number,
): Finding {
  const [old, now] = [percentile95(beforeMs), percentile95(afterMs)];
  const name = figure === 'latency' ? 'whole answers' : 'first tokens';
  const [newText, oldText] = [now, old].map((value) => (value === null ? '--' : formatMilliseconds(value)));
  const line = `95 % of ${name} came within ${newText} (before: ${oldText})`;
  const known = { figure, before: old, after: now, line };
  const pooled = percentile95([...beforeMs, ...afterMs]);
  if (old === null || now === null || pooled === null) return { ...known, probability: null, verdict: 'inconclusive' };
  const probability = fisherExact(above(beforeMs, pooled), above(afterMs, pooled));
  if (Math.min(beforeMs.length, afterMs.length) < fewestRequests)
    return { ...known, probability, verdict: 'inconclusive' };
  const worse = probability < level && now > old * tolerated.slowness;
  return { ...known, probability, verdict: worse ? 'worse' : 'pass' };
}

function above(valuesMs: readonly number[], limitMs: number): Share {
  return { hits: valuesMs.filter((value) => value >= limitMs).length, of: valuesMs.length };
}

/** Nearest rank. */
function percentile95(values: readonly number[]): number | null {
  const sorted = values.toSorted((one, other) => one - other);
  return sorted[Math.ceil(sorted.length * 0.95) - 1] ?? null;
}

function rate({ hits, of }: Share): number {
  return of === 0 ? 0 : hits / of;
}

function rateOrNull(share: Share): number | null {
  return share.of === 0 ? null : rate(share);
}

function rateText(share: Share): string {
  return share.of === 0 ? 'none' : `${formatShare(rate(share))} (${share.hits} of ${share.of})`;
}
