// The doctor's page for people: one line a finding, the reason and the fix below what needs them. Pure.
import pc from 'picocolors';

import type { Examination } from './examine.js';
import type { Finding, FindingStatus } from './finding.js';

const symbols: Record<FindingStatus, string> = {
  ok: pc.green('✓'),
  warn: pc.yellow('!'),
  fail: pc.red('✗'),
  skip: pc.dim('-'),
};

export function renderExamination({ engine, findings, counts, fixed }: Examination): string {
  const width = Math.max(...findings.map(({ check }) => check.length));
  return [
    `Engine ${pc.bold(engine.kind)} ${pc.dim(`(${engine.why})`)}`,
    '',
    ...fixed.map((line) => `${pc.green('+')} ${line}`),
    ...(fixed.length > 0 ? [''] : []),
    ...findings.flatMap((finding) => renderFinding(finding, width)),
    '',
    verdict(counts),
  ].join('\n');
}

function renderFinding(finding: Finding, width: number): string[] {
  const { check, status, what, why, fix } = finding;
  const indent = ' '.repeat(width + 4);
  const text = status === 'skip' ? pc.dim(what) : what;
  const [first = '', ...rest] = text.split('\n');
  return [
    `${symbols[status]} ${check.padEnd(width)}  ${first}`,
    ...rest.map((line) => `${indent}${line}`),
    ...(why === null ? [] : [`${indent}${pc.dim(why)}`]),
    ...(fix === null ? [] : [`${indent}${pc.cyan('fix')} ${fix}`]),
  ];
}

function verdict(counts: Examination['counts']): string {
  const warnings = counts.warn === 0 ? '' : `, ${counts.warn} ${counts.warn === 1 ? 'warning' : 'warnings'}`;
  if (counts.fail === 0) return `${pc.green('Ready.')} ${counts.ok} ok${warnings}, ${counts.skip} skipped`;
  return `${pc.red('Not ready:')} ${counts.fail} missing, ${counts.ok} ok${warnings}, ${counts.skip} skipped`;
}
