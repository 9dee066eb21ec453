// What stands behind a version that goes live: its run, its scores beside those of the version before, and whether it answered its golden
// prompts right. Reads the ledger.
import pc from 'picocolors';

import { latestMetrics, runDatasets } from '../ledger/metrics.js';
import type { Ledger } from '../ledger/open.js';
import { listSteps } from '../ledger/promotion-steps.js';
import { findVersion, type ModelVersion } from '../ledger/versions.js';
import { formatNumber } from '../output/numbers.js';
import { compareMetric, metricKey } from '../training/metric-direction.js';
import type { PromotionResult } from './promote.js';

export type Score = {
  name: string;
  value: number;
  /** Of the version that was live before; null: there was none, or it has no such score on the same rows. */
  before: number | null;
  against: 'better' | 'worse' | 'same' | null;
};

export type Evidence = {
  run: string;
  scores: Score[];
  /** The versions were scored on different held-out rows: their scores cannot be compared. */
  otherRows: boolean;
  /** `not_asked`: it was not started, its server had answered them before; or the switch ended before. */
  golden: { prompts: number; verdict: 'right' | 'wrong' | 'not_asked' };
};

const scoreNames = ['exact_match', 'loss', 'perplexity'];
const words = { [1]: 'better', [0]: 'same', [-1]: 'worse' } as const;

export function evidenceOf(
  ledger: Ledger,
  version: ModelVersion,
  fromVersion: number | null,
  prompts: number,
  result?: Pick<PromotionResult, 'id' | 'error'>,
): Evidence {
  const isOther = fromVersion !== null && fromVersion !== version.version;
  const before = isOther ? findVersion(ledger, `${version.model}:${fromVersion}`) : undefined;
  const otherRows = before !== undefined && heldOutRows(ledger, before) !== heldOutRows(ledger, version);
  const verdict = prompts === 0 ? 'not_asked' : goldenVerdict(ledger, result);
  const scores = compareScores(ledger, version, otherRows ? undefined : before);
  return { run: version.runId, scores, otherRows, golden: { prompts, verdict } };
}

/** Under the line that says what went live. A worse main score stops nothing, so it has to be seen. Pure. */
export function renderEvidence({ run, scores, otherRows, golden }: Evidence): string {
  const held = scores.map(({ name, value, before, against }) => {
    const beside = before === null ? '' : ` (before ${formatNumber(before)}, ${against ?? ''})`;
    return `${name} ${formatNumber(value)}${beside}`;
  });
  const rows = otherRows ? ['the version before was scored on other rows'] : [];
  const heldOut = `held out  ${[...held, ...rows].join(', ') || 'no scores'}`;
  return [
    `run       ${run}`,
    scores[0]?.against === 'worse' ? pc.yellow(heldOut) : heldOut,
    `golden    ${goldenText(golden)}`,
  ].join('\n');
}

function compareScores(ledger: Ledger, version: ModelVersion, before: ModelVersion | undefined): Score[] {
  const own = latestMetrics(ledger, version.runId);
  const others = before ? latestMetrics(ledger, before.runId) : {};
  return scoreNames.flatMap((name) => {
    const key = metricKey(name);
    const [value, other] = [own[key], others[key] ?? null];
    if (value === undefined) return [];
    const against = other === null ? null : words[compareMetric(key, value, other)];
    return [{ name, value, before: other, against }];
  });
}

function heldOutRows(ledger: Ledger, { runId }: ModelVersion): string | undefined {
  return runDatasets(ledger, runId).find(({ split }) => split === 'held_out')?.sha256;
}

/** They are asked in the step `ready`, once the server is healthy. */
function goldenVerdict(
  ledger: Ledger,
  result: Pick<PromotionResult, 'id' | 'error'> | undefined,
): Evidence['golden']['verdict'] {
  if (result?.error?.code === 'GOLDEN_FAILED') return 'wrong';
  const steps = typeof result?.id === 'number' ? listSteps(ledger, result.id) : [];
  return steps.some(({ step, state }) => step === 'ready' && state === 'done') ? 'right' : 'not_asked';
}

function goldenText({ prompts, verdict }: Evidence['golden']): string {
  if (prompts === 0) return 'no prompts in evals/golden.jsonl';
  const all = prompts === 1 ? 'one prompt' : `${prompts} prompts`;
  if (verdict === 'right') return `${all} answered right`;
  return verdict === 'wrong' ? `${all}, not answered right` : `${all}, not asked now`;
}
