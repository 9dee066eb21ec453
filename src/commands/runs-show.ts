// `mlx runs show`: one run: scores, loss curve, examples, params. Reads the ledger and the run's folder.
import asciichart from 'asciichart';
import pc from 'picocolors';

import { latestMetrics, metricHistory, runParams } from '../ledger/metrics.js';
import { findRun } from '../ledger/runs.js';
import { formatCount, formatNumber, resample } from '../output/numbers.js';
import { outcome } from '../output/output.js';
import { renderTable } from '../output/table.js';
import type { CommandModule } from '../program.js';
import { openReconciled } from '../training/reconcile.js';
import { renderRun } from '../training/report.js';
import { summariseRun, type RunSummary } from '../training/summary.js';

export const define: CommandModule['define'] = (command) => {
  command
    .argument('[run]', 'a run id, its beginning, or latest', 'latest')
    .option('--params', 'every setting and version too');
  command.addHelpText(
    'after',
    `
Examples:
  mlx runs show
  mlx runs show tickets-3fa91c --params
  mlx runs show latest --json | jq .scores.tuned`,
  );
};

type ShownRun = RunSummary & {
  metrics: Record<string, number>;
  params: Record<string, string>;
  lossCurve: { step: number; loss: number }[];
};

export const run: CommandModule['run'] = async (context, [reference = 'latest'], flags) => {
  const ledger = await openReconciled(context);
  const found = findRun(ledger, reference);
  const shown: ShownRun = {
    ...summariseRun(ledger, context.paths().runs, found),
    metrics: latestMetrics(ledger, found.id),
    params: runParams(ledger, found.id),
    lossCurve: metricHistory(ledger, found.id, 'train/loss').map(({ step, value }) => ({ step, loss: value })),
  };
  return outcome(shown, (value) => renderShown(value, context.output.columns, flags['params'] === true));
};

function renderShown(shown: ShownRun, width: number, withParams: boolean): string {
  const params = withParams ? [renderParams(shown.params, width)] : [];
  return renderRun(shown, width, [renderCurve(shown.lossCurve, width), renderDatasets(shown, width), ...params]);
}

function renderCurve(curve: ShownRun['lossCurve'], width: number): string {
  const last = curve.at(-1);
  if (!last || curve.length < 2) return '';
  const losses = resample(
    curve.map(({ loss }) => loss),
    Math.max(10, Math.min(width, 110) - 12),
  );
  const chart = asciichart.plot(losses, { height: 8, format: (value) => formatNumber(value).padStart(9) });
  return `${pc.dim(`training loss, step ${curve[0]?.step ?? 0} to ${last.step}`)}\n${chart.replaceAll(/ +$/gm, '')}`;
}

function renderDatasets({ datasets }: ShownRun, width: number): string {
  return renderTable(
    [
      { title: 'split', cell: ({ split }) => split },
      { title: 'rows', cell: ({ rows }) => formatCount(rows), align: 'right' },
      { title: 'sha256', cell: ({ sha256 }) => sha256.slice(0, 12) },
      { title: 'from', cell: ({ sources }) => sources, dropFirst: 1 },
    ],
    datasets,
    width,
  );
}

function renderParams(params: Record<string, string>, width: number): string {
  return renderTable(
    [
      { title: 'param', cell: ([key]) => key },
      { title: 'value', cell: ([, value]) => value },
    ],
    Object.entries(params),
    width,
  );
}
