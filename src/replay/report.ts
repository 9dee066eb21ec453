// A replay in words: the preflight as a table with the reason of each drift, then the verdict. Pure.
import pc from 'picocolors';

import { describeChange, type RowChange } from '../dataset/row-hashes.js';
import { formatCount } from '../output/numbers.js';
import { renderTable } from '../output/table.js';
import { allowedDrift, toAllow, type DriftRow } from '../recipe/drift.js';
import type { ReplayReport } from './replay.js';

const shownRows = 10;

export function renderReport(report: ReplayReport, width: number): string {
  if (report.verdict === 'refused') return `${pc.bold(report.lock)}\n${renderVerdict(report)}`;
  const sections = [
    renderPreflight(report, width),
    renderMissing(report.fields),
    renderRowChanges(report.rows, report.changedRows),
    report.restored.map((what) => `${pc.cyan('restored')}  ${what}`).join('\n'),
    report.notes.map((note) => `${pc.cyan('note')}   ${note}`).join('\n'),
    renderVerdict(report),
  ];
  return sections.filter((section) => section !== '').join('\n\n');
}

/** What a person reads before the training begins. */
export function renderPreflight({ recipe, lock, replayOf, fields }: ReplayReport, width: number): string {
  const columns = [
    { title: '', cell: mark },
    { title: 'field', cell: ({ field }: DriftRow) => field },
    { title: 'lock', cell: ({ locked }: DriftRow) => short(locked) },
    { title: 'today', cell: ({ today, status }: DriftRow) => (status === 'ok' ? '' : short(today)) },
  ];
  return [
    `${pc.bold(recipe)}  ${lock}, written by run ${replayOf ?? 'unknown'}`,
    renderTable(columns, fields, width),
  ].join('\n');
}

/** `!!` stops a replay; `--` is not known here, or makes no difference, or was allowed. */
function mark({ status, allowed }: DriftRow): string {
  if (status === 'ok') return pc.green('ok');
  return status === 'drift' && !allowed ? pc.red('!!') : pc.yellow('--');
}

/** A hash by its beginning, a text by one. */
function short(value: string): string {
  if (/^[0-9a-f]{40,64}$/.test(value)) return value.slice(0, 12);
  return value.length > 60 ? `${value.slice(0, 59)}…` : value;
}

/** In full: the table has no room for it. */
function renderMissing(fields: readonly DriftRow[]): string {
  const rows = fields.filter(({ missing, status, today }) => missing && status === 'drift' && today !== 'none');
  return rows.map(({ field, today }) => `${pc.bold(field)}  ${today}`).join('\n');
}

function renderRowChanges(rows: readonly RowChange[], total: number): string {
  if (total === 0) return '';
  const lines = rows.slice(0, shownRows).map((row) => `  ${describeChange(row)}`);
  const more = total > shownRows ? [`  and ${formatCount(total - shownRows)} more (all: --json)`] : [];
  const ordered = rows.every(({ change }) => change === 'reordered');
  const changed = total === 1 ? "One row is not the lock's" : `${formatCount(total)} rows are not the lock's`;
  return [pc.bold(ordered ? "The lock's rows, in another order" : changed), ...lines, ...more].join('\n');
}

function renderVerdict(report: ReplayReport): string {
  const { verdict, fields, comparison, error, run } = report;
  const of = report.replayOf ?? '';
  const drifted = fields.filter(({ status, allowed }) => status === 'drift' && !allowed).map(({ field }) => field);
  switch (verdict) {
    case 'no_drift':
      return noDrift(fields);
    case 'drift':
      return [
        `${pc.red('drift')}  ${drifted.join(', ')}. Nothing was trained.`,
        `${pc.cyan('next')}   ${nextSteps(report)}`,
      ].join('\n');
    case 'refused':
      return failed('refused', error);
    case 'not_finished':
      return failed(`not finished  ${run ?? ''}:`, error);
    case 'identical':
      return `${pc.green('identical')}  ${run ?? ''} gave the adapter of ${of} bit for bit (sha256 ${comparison?.adapter.replayed ?? ''}).`;
    case 'equivalent':
      return `${pc.green(`equivalent within ${comparison?.tolerance ?? 0}`)}  ${run ?? ''} and ${of}: ${comparison?.reasons.join('; ') ?? ''}.`;
    case 'different':
      return `${pc.red('different')}  ${run ?? ''} and ${of}: ${comparison?.reasons.join('; ') ?? ''}.`;
  }
}

function failed(what: string, error: ReplayReport['error']): string {
  return [
    `${pc.red(what)}  ${error?.message ?? ''} ${pc.dim(`[${error?.code ?? ''}]`)}`,
    ...(error?.hint ? [`${pc.cyan('next')}   ${error.hint}`] : []),
  ].join('\n');
}

function noDrift(fields: readonly DriftRow[]): string {
  const allowed = allowedDrift(fields).map(({ field }) => field);
  return allowed.length === 0
    ? `${pc.green('no drift')}  A replay would start from what the lock says.`
    : `${pc.yellow('no drift but what was allowed')}: ${allowed.join(', ')}`;
}

function nextSteps({ fields, recipeReference }: ReplayReport): string {
  const allow = toAllow(fields);
  return [
    'put it back as it was',
    ...(allow.length === 0 ? [] : [`or accept it: --allow ${allow.join(',')}`]),
    `or lock what is there today: mlx train ${recipeReference}`,
  ].join('; ');
}
