// Why two runs differ, in words: which rows, which setting, which package, which seed, which file. Reads what the runs left.
import { existsSync, readFileSync } from 'node:fs';

import { changedRows, describeChange, parseRows, reorderedRows, type RowChange } from '../dataset/row-hashes.js';
import type { Run } from '../ledger/runs.js';
import { compareLock, type DriftRow } from '../recipe/drift.js';
import { readResolution, type Resolution } from './resolution.js';
import { runFolder, type RunFolder } from './run-folder.js';

export type Explanation = {
  run: string;
  against: string;
  /** One sentence a cause; of many rows the first. */
  reasons: string[];
};

const shownRows = 5;

/** What `run` has otherwise than `against`. */
export function explainDifference(runs: string, against: Run, run: Run): Explanation {
  const [before, after] = [runFolder(runs, against.id), runFolder(runs, run.id)];
  const [then, now] = [readResolution(before), readResolution(after)];
  const missing = [then === undefined ? against.id : '', now === undefined ? run.id : ''].filter((id) => id !== '');
  if (then === undefined || now === undefined) {
    const reason = `What ${missing.join(' and ')} resolved to is not there any more: settings and metrics are compared alone.`;
    return { run: run.id, against: against.id, reasons: [reason] };
  }
  const reasons = causes(then, now, () => changesOf(before, after));
  return { run: run.id, against: against.id, reasons: [...reasons, ...conclusion(reasons, against, run)] };
}

function causes(then: Resolution, now: Resolution, changes: () => RowChange[]): string[] {
  const drifted = compareLock(then.resolved, now.resolved).filter(({ status }) => status === 'drift');
  const rowsDrifted = drifted.some(({ field }) => field.startsWith('dataset.'));
  const rows = rowsDrifted ? changes() : [];
  const others = rows.filter(({ change }) => change !== 'reordered');
  return [...rowReasons(others), ...drifted.flatMap((row) => orderReason(row, rows) ?? reasonOf(row))];
}

function rowReasons(changes: readonly RowChange[]): string[] {
  const more = changes.length - shownRows;
  const named = changes.slice(0, shownRows).map((change) => `row      ${describeChange(change)}`);
  return more > 0 ? [...named, `rows     and ${more} more`] : named;
}

/** The words for a kind of field; the longest beginning fits. What stands twice (a seed is a setting too) is told once. */
const words: [string, string][] = [
  ['recipe.settings.seed', 'seed     '],
  ['recipe.settings.', 'setting  '],
  ['base_model.files.', 'base     file '],
  ['base_model.commit', 'base     commit'],
  ['base_model.repository', 'base     '],
  ['runtime.packages.', 'package  '],
  ['runtime.scripts.', 'script   '],
  ['runtime.python', 'python   '],
  ['runtime.engine', 'engine   '],
  ['machine.', 'machine  '],
  ['determinism.environment.', 'variable '],
  ['code.commit', 'code     commit'],
  ['code.patch', 'code     changes that are not committed'],
];

function orderReason({ field }: DriftRow, rows: readonly RowChange[]): string | undefined {
  const order = /^dataset\.(\w+)\.order$/.exec(field)?.[1];
  if (order === undefined) return undefined;
  const first = rows.find(({ split, change }) => split === order && change === 'reordered');
  const where = first === undefined ? '' : `, from ${first.file} line ${first.line} on`;
  return `rows     the same in another order (${order})${where}`;
}

function reasonOf({ field, locked, today }: DriftRow): string[] {
  const [beginning, word] = words.find(([start]) => field.startsWith(start)) ?? [];
  if (beginning === undefined || word === undefined) return [];
  const [then, now] = [shown(locked), shown(today)];
  const values = then === now ? `${then}, from other archives` : `${then}, then ${now}`;
  return [`${word}${field.slice(beginning.length)}: ${values}`.replace(/ +: /, ': ')];
}

/** A hash by its beginning; a package by its version. */
function shown(value: string): string {
  const version = / archives [0-9a-f]{16}$/;
  if (version.test(value)) return value.replace(version, '');
  if (value === 'not known here') return 'none';
  return /^[0-9a-f]{40,64}$/.test(value) ? value.slice(0, 12) : value;
}

function changesOf(before: RunFolder, after: RunFolder): RowChange[] {
  if (!existsSync(before.rows) || !existsSync(after.rows)) return [];
  const [then, now] = [before, after].map(({ rows }) => parseRows(readFileSync(rows, 'utf8')));
  return then && now ? [...changedRows(then, now), ...reorderedRows(then, now)] : [];
}

/** What follows when nothing explains a difference. */
function conclusion(reasons: readonly string[], against: Run, run: Run): string[] {
  if (reasons.length > 0) return [];
  const equal = 'Rows, settings, seed, base model, packages and machine are equal';
  if (run.adapterSha256 === null || against.adapterSha256 === null) return [`${equal}.`];
  return run.adapterSha256 === against.adapterSha256
    ? [`${equal}, and so are the adapters.`]
    : [`${equal}, and yet the adapters differ: the runs were not bit-exact.`];
}
