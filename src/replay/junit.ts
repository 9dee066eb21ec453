// A replay as JUnit XML, which CI servers show as tests: one suite a lock, one case a field, then adapter, losses and scores. Pure.
import { describeChange } from '../dataset/row-hashes.js';
import type { DriftRow } from '../recipe/drift.js';
import type { ReplayReport } from './replay.js';

type Case = { name: string; failure?: string | undefined; skipped?: string | undefined };

export function renderJunit(reports: readonly ReplayReport[]): string {
  const suites = reports.map((report) => renderSuite(report));
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    '<testsuites name="mlx replay">',
    ...suites,
    '</testsuites>',
    '',
  ].join('\n');
}

function renderSuite(report: ReplayReport): string {
  const cases = [...report.fields.map((row) => fieldCase(row, report)), ...resultCases(report)];
  const failures = cases.filter(({ failure }) => failure !== undefined).length;
  const skipped = cases.filter(({ skipped: reason }) => reason !== undefined).length;
  const head = `  <testsuite name="${escape(report.lock)}" tests="${cases.length}" failures="${failures}" skipped="${skipped}">`;
  return [head, ...cases.map((one) => renderCase(one, report.recipe)), '  </testsuite>'].join('\n');
}

function fieldCase({ field, status, allowed, missing, locked, today }: DriftRow, { rows }: ReplayReport): Case {
  if (status === 'ok') return { name: field };
  const what = `lock: ${locked}, today: ${today}`;
  if (status === 'unknown' || allowed) return { name: field, skipped: what };
  const named = field.startsWith('dataset.') && !missing ? rows.map((row) => `\n${describeChange(row)}`).join('') : '';
  return { name: field, failure: `${what}${named}` };
}

function resultCases({ verdict, comparison, error }: ReplayReport): Case[] {
  if (verdict === 'not_finished' || verdict === 'refused')
    return [
      { name: verdict === 'refused' ? 'lock' : 'replay', failure: `${error?.code ?? ''}: ${error?.message ?? ''}` },
    ];
  if (comparison === null) return [];
  return [{ name: 'replay', failure: verdict === 'different' ? comparison.reasons.join('\n') : undefined }];
}

function renderCase({ name, failure, skipped }: Case, recipe: string): string {
  const head = `    <testcase classname="${escape(recipe)}" name="${escape(name)}"`;
  if (failure !== undefined) return `${head}><failure message="${escape(failure)}"/></testcase>`;
  return skipped === undefined ? `${head}/>` : `${head}><skipped message="${escape(skipped)}"/></testcase>`;
}

const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', '\n': '&#10;' };

/** Control characters have no form in XML 1.0 at all. */
function escape(text: string): string {
  return text.replaceAll(/[^\P{Cc}\n]/gu, ' ').replaceAll(/[&<>"\n]/g, (character) => entities[character] ?? character);
}
