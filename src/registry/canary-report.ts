// What people and scripts read of a canary or a shadow. Pure but for `splitNotes`.
import { ownerIsAlive, ownerPid } from '../engine/owner.js';
import { exitStatus, MlxError } from '../errors.js';
import type { Ledger } from '../ledger/open.js';
import { findRoute } from '../ledger/promotions.js';
import { listSplits } from '../ledger/route-splits.js';
import { formatDuration } from '../output/numbers.js';
import type { CanaryPlan } from './canary-flags.js';
import { shareText, type CanaryResult } from './canary.js';
import type { PromotionPlan } from './plan.js';
import { errorText, renderPlan } from './report.js';
import { findingLines, worseText } from './watch-verdict.js';

/** With the error that a taken back, an undecided or a stopped canary is. */
export function canaryReport(result: CanaryResult): CanaryResult {
  const { outcome, model, toVersion, fromVersion, steps } = result;
  const version = `${model}:${toVersion}`;
  const last = steps.at(-1)?.outcome;
  const failed = ({ code, message, hint }: MlxError): CanaryResult => ({
    ...result,
    error: { code, message, hint: hint ?? null },
  });
  if (last === 'worse') {
    const message = `${version} did worse than version ${fromVersion}, which has all requests again: ${worseText(steps.at(-1)?.findings ?? [])}.`;
    return failed(
      new MlxError('WATCH_WORSE', message, { hint: `Its share, step by step: mlx releases ${model} --all` }),
    );
  }
  if (last === 'stopped') {
    const message = `The canary of ${version} was stopped and taken back; version ${fromVersion} has all requests again.`;
    return failed(new MlxError('INTERRUPTED', message, { hint: 'Run the same command again when you like.' }));
  }
  if (outcome === 'replaced') {
    const message = `Another command has ended the canary of ${version}.`;
    return failed(new MlxError('RELEASE_REPLACED', message, { hint: `See which: mlx releases ${model}` }));
  }
  if (last !== 'inconclusive') return result;
  return failed(
    new MlxError(
      'WATCH_INCONCLUSIVE',
      `Too few requests to judge ${version}; it keeps its share, which does not rise.`,
      {
        hint: `${decisions(result)}. With few keys a share by key may be none of them: --sticky request`,
      },
    ),
  );
}

function decisions({ model, toVersion }: Pick<CanaryResult, 'model' | 'toVersion'>): string {
  return `Give it all requests: mlx promote ${model}:${toVersion}, or take it back: mlx rollback ${model}`;
}

export function canaryStatus({ error }: CanaryResult): number {
  return error === null ? exitStatus.ok : new MlxError(error.code, error.message).exitStatus;
}

export function renderCanary(result: CanaryResult): string {
  const { kind, outcome, steps, error, model, toVersion, fromVersion, percent } = result;
  const told = steps.map((step) => {
    const findings = findingLines(step.findings, '    ');
    return [`  ${step.percent} % for ${formatDuration(step.durationMs)}: ${step.outcome}`, ...findings].join('\n');
  });
  const share = `${shareText({ kind }, percent)} ${model}:${toVersion}`;
  const stands = `${share}; version ${fromVersion} is live. Nothing more happens by itself.`;
  const unchanged = percent > 0 ? `${share} as before` : `version ${fromVersion} stays as it was, with all requests`;
  const lines = [
    ...(told.length === 0 ? [] : [`${model}:${toVersion} beside version ${fromVersion}`, ...told]),
    ...(error === null ? [] : [errorText(error)]),
    ...(outcome === 'standing' ? [stands] : []),
    ...(outcome === 'failed' ? [unchanged] : []),
  ];
  const next = error?.hint ?? (outcome === 'standing' ? decisions(result) : undefined);
  return [...lines, ...(next === undefined ? [] : [`next   ${next}`])].join('\n');
}

export type PlannedCanary = PromotionPlan & { canary: CanaryPlan };

export function renderPlannedCanary({ canary, ...plan }: PlannedCanary): string {
  const { kind, shares, everyMs } = canary;
  const what = kind === 'canary' ? 'Shares of the requests' : 'Copies of the requests';
  const each = `${shares.map((share) => `${share} %`).join(', ')}, each watched for ${formatDuration(everyMs)}`;
  return `${renderPlan(plan)}\n${what} to it: ${each}. Worse: it is taken back. All requests it gets by mlx promote alone.`;
}

export type SplitNote = { name: string; version: string; percent: number; stepping: boolean; what: string };

/** Of shares that are given now: who steps them, or what a person can do. */
export function splitNotes(ledger: Ledger): SplitNote[] {
  return listSplits(ledger).flatMap(({ name, kind, candidate, percent, owner }) => {
    const route = findRoute(ledger, candidate);
    if (!route) return [];
    const version = `${route.model}:${route.version}`;
    const stepping = owner !== null && ownerIsAlive(owner);
    const by = stepping ? `process ${ownerPid(owner)} steps it` : `mlx promote ${version}, or mlx rollback ${name}`;
    return [{ name, version, percent, stepping, what: `${kind} of ${percent} % to ${version}  ${by}` }];
  });
}
