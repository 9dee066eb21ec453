// `mlx runs compare`: why runs differ, in words, and their settings, data and metrics side by side. Reads the ledger and .mlx/runs.
import pc from 'picocolors';

import { MlxError } from '../errors.js';
import { findRun } from '../ledger/runs.js';
import { formatNumber } from '../output/numbers.js';
import { outcome } from '../output/output.js';
import { renderTable, type Column } from '../output/table.js';
import type { CommandModule } from '../program.js';
import { compareRuns, type Difference, type RunComparison } from '../training/comparison.js';
import type { Explanation } from '../training/explanation.js';
import { compareMetric } from '../training/metric-direction.js';
import { openReconciled } from '../training/reconcile.js';

export const define: CommandModule['define'] = (command) => {
  command.argument('<runs...>', 'two runs or more; the first is what the others are compared with');
  command.addHelpText(
    'after',
    `
What is told first is the cause: which rows, setting, seed, package, script or file is not the same.
Arrows are against the first run: ↑ better, ↓ worse, whatever direction the figure went.

Examples:
  mlx runs compare tickets-3fa91c tickets-better-77b0aa
  mlx runs compare tickets-3fa91c latest --json | jq .metrics`,
  );
};

export const run: CommandModule['run'] = async (context, references) => {
  const ledger = await openReconciled(context);
  const runs = references.map((reference) => findRun(ledger, reference));
  if (new Set(runs.map(({ id }) => id)).size < 2) {
    throw new MlxError('USAGE', 'Comparing takes two different runs.', { hint: 'See them: mlx runs ls' });
  }
  return outcome(compareRuns(ledger, context.paths().runs, runs), (value) =>
    renderComparison(value, context.output.columns),
  );
};

function renderComparison({ runs, params, data, metrics, explanations }: RunComparison, width: number): string {
  const sections = [
    ...explanations.map(renderExplanation),
    renderSection('params', runs, params, width, ({ values }, index) => values[index] ?? pc.dim('-')),
    renderSection('data', runs, data, width, ({ values }, index) => values[index] ?? pc.dim('-')),
    renderSection('metrics', runs, metrics, width, metricCell),
  ];
  return sections.join('\n\n');
}

function renderExplanation({ run: id, against, reasons }: Explanation): string {
  return [`${pc.bold(id)} against ${against}`, ...reasons.map((reason) => `  ${reason}`)].join('\n');
}

function renderSection<Value>(
  title: string,
  runs: readonly string[],
  rows: readonly Difference<Value>[],
  width: number,
  cell: (row: Difference<Value>, index: number) => string,
): string {
  if (rows.length === 0) return `${pc.bold(title)}  no difference`;
  const columns: Column<Difference<Value>>[] = [
    { title, cell: ({ key }) => key },
    ...runs.map((id, index): Column<Difference<Value>> => ({
      title: id,
      cell: (row) => cell(row, index),
      align: 'right',
    })),
  ];
  return renderTable(columns, rows, width);
}

function metricCell({ key, values }: Difference<number>, index: number): string {
  const [reference] = values;
  const value = values[index];
  if (value === undefined || value === null) return pc.dim('-');
  if (index === 0 || reference === undefined || reference === null) return formatNumber(value);
  const direction = compareMetric(key, value, reference);
  const arrow = { [1]: pc.green('↑'), [0]: ' ', [-1]: pc.red('↓') }[direction];
  return `${formatNumber(value)} ${arrow}`;
}
