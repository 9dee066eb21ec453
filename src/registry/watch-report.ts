// What people and scripts read of a watch: while it goes on, at its end, and of one whose command died. Pure but for `watchNotes`.
import { MlxError } from '../errors.js';
import { ownerIsAlive, ownerPid } from '../engine/owner.js';
import type { Ledger } from '../ledger/open.js';
import { listPromotions } from '../ledger/promotions.js';
import { listSteps, type PromotionStep } from '../ledger/promotion-steps.js';
import type { VersionFigures } from '../ledger/traffic-figures.js';
import { formatCount, formatDuration } from '../output/numbers.js';
import type { Look } from './edges.js';
import type { PromotionResult } from './promote.js';
import { renderPromotion } from './report.js';
import { liveVersion } from './targets.js';
import type { Watch, WatchReport } from './watch.js';
import { watchSubject } from './watch-subject.js';
import { fewestRequests, findingLines, worseText } from './watch-verdict.js';

/** `taken_back`: it was live, did worse, and the version before is live again. */
export type WatchedPromotion = Omit<PromotionResult, 'outcome'> & {
  outcome: PromotionResult['outcome'] | 'taken_back';
  watch: WatchReport | null;
};

/** Short enough for a terminal of 80 columns: it is rewritten there at each look, and cut where it does not fit. */
export function lookLine(
  { model, version, against }: Pick<Watch, 'model' | 'version' | 'against'>,
  seen: { before: VersionFigures; after: VersionFigures; passedMs: number; watchMs: number },
): Look {
  const { before, after, passedMs, watchMs } = seen;
  const figures = `${formatCount(after.requests)} requests, ${formatCount(after.failures)} failed`;
  const others = `version ${against}: ${formatCount(before.requests)}, ${formatCount(before.failures)} failed`;
  const said = `${figures} (${others})`;
  const time = `${formatDuration(passedMs)} of ${formatDuration(watchMs)}`;
  return { line: `${model}:${version}, ${time}: ${said}`, said, fraction: Math.min(1, passedMs / watchMs) };
}

/** The result of the command with what the watch found: a version that was taken back, or not judged, is no success. */
export function watchedPromotion(result: PromotionResult, report: WatchReport): WatchedPromotion {
  const { model, toVersion } = result;
  const version = `${model}:${toVersion}`;
  const watched = { ...result, watch: report };
  const failed = ({ code, message, hint }: MlxError): WatchedPromotion => ({
    ...watched,
    error: { code, message, hint: hint ?? null },
  });
  switch (report.outcome) {
    case 'pass':
      return watched;
    case 'worse':
      return takenBack(watched, report, version);
    case 'inconclusive':
      return failed(
        new MlxError(
          'WATCH_INCONCLUSIVE',
          `The watch of ${version} could not tell: it takes ${fewestRequests} answers of each version. It stays live.`,
          { hint: `Watch it again: mlx promote ${version} --watch 1h, or take it back: mlx rollback ${model}` },
        ),
      );
    case 'stopped':
      return failed(
        new MlxError('INTERRUPTED', `The watch of ${version} was stopped; it stays live, unwatched.`, {
          hint: `Watch it again: mlx promote ${version} --watch 10m, or take it back: mlx rollback ${model}`,
        }),
      );
    case 'replaced':
      return failed(
        new MlxError('RELEASE_REPLACED', `Another command has switched ${result.route} while ${version} was watched.`, {
          hint: `See which: mlx releases ${model}`,
        }),
      );
  }
}

function takenBack(
  watched: PromotionResult & { watch: WatchReport },
  { findings, rollback }: WatchReport,
  version: string,
): WatchedPromotion {
  const why = worseText(findings);
  if (rollback === null || rollback.error !== null) {
    const message = `${version} does worse (${why}) and could not be taken back: ${rollback?.error?.message ?? ''}`;
    const code = rollback?.error?.code ?? 'INTERNAL';
    return { ...watched, error: { code, message, hint: `Try again: mlx rollback ${watched.model}` } };
  }
  const message = `${version} did worse than version ${rollback.toVersion}, which is live again: ${why}.`;
  const hint = rollback.id === null ? null : `What was done: mlx releases show ${rollback.id}`;
  return { ...watched, outcome: 'taken_back', error: { code: 'WATCH_WORSE', message, hint } };
}

export function renderWatched(result: WatchedPromotion): string {
  const { outcome, watch, error } = result;
  const head = outcome === 'taken_back' ? [] : [renderPromotion({ ...result, outcome, ...withoutWatchError(result) })];
  if (watch === null) return head.join('\n');
  const took = formatDuration(watch.durationMs);
  const findings = findingLines(watch.findings, '  ');
  const hint = error?.hint ? [`next   ${error.hint}`] : [];
  const end =
    error === null ? [`Nothing worse was seen while it was watched.`] : [`${error.message} [${error.code}]`, ...hint];
  return [...head, `watched for ${took}`, ...findings, ...end].join('\n');
}

/** The switch itself went well. */
function withoutWatchError({ watch, error }: WatchedPromotion): Pick<PromotionResult, 'error'> {
  return { error: watch === null ? error : null };
}

export type WatchNote = { release: number; model: string; version: number; watching: boolean; what: string };

/** Of what is live now: watches that go on, and those that ended without a word. */
export function watchNotes(ledger: Ledger): WatchNote[] {
  const seen = new Set<string>();
  return listPromotions(ledger, { state: 'promoted', limit: 200 }).flatMap(({ id, model, alias, toVersion }) => {
    const name = `${model}@${alias}`;
    if (seen.has(name) || liveVersion(ledger, model, alias) !== toVersion) return [];
    const open = listSteps(ledger, id).findLast(({ step }) => step === 'watch');
    seen.add(name);
    if (open?.state !== 'begun') return [];
    const { owner, untilMs } = watchSubject(open);
    const watching = ownerIsAlive(owner);
    const until = new Date(untilMs).toISOString().slice(11, 19);
    const what = watching
      ? `is watched until ${until}Z by process ${ownerPid(owner)}`
      : `is live, but the command that watched it died: mlx promote ${model}:${toVersion} --watch 10m`;
    return [{ release: id, model, version: toVersion, watching, what }];
  });
}

/** Of a step of the journal, for `mlx releases show`. */
export function describeWatch(step: PromotionStep): string {
  const { owner } = watchSubject(step);
  if (step.result === null) {
    return ownerIsAlive(owner)
      ? `The watch goes on (process ${ownerPid(owner)}).`
      : 'The command that watched it died, and nobody looked on.';
  }
  const { outcome, findings, ...back } = JSON.parse(step.result) as WatchResult;
  const lines = findingLines(findings, '  ');
  return [`The watch ended: ${outcome === 'worse' ? worseEnding(back) : endings[outcome]}.`, ...lines].join('\n');
}

/** As the journal keeps it; without `taken_back` an earlier mlx wrote it, before the way back. */
type WatchResult = Pick<WatchReport, 'outcome' | 'findings'> & { taken_back?: boolean | null; error?: string };

function worseEnding({ taken_back: takenBack, error }: Pick<WatchResult, 'taken_back' | 'error'>): string {
  if (takenBack === true) return 'it did worse, and was taken back';
  return error === undefined
    ? 'it did worse'
    : `it did worse, and could not be taken back (${error.replace(/\.$/, '')})`;
}

const endings: Record<Exclude<WatchReport['outcome'], 'worse'>, string> = {
  pass: 'nothing worse was seen',
  inconclusive: 'too few requests to tell',
  stopped: 'the person stopped it, and the version stayed live',
  replaced: 'another command switched the route',
};
