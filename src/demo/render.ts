// The end of the demo: figures first, then what to do next.
import pc from 'picocolors';

import { formatDuration, formatNumber, formatShare } from '../output/numbers.js';
import { renderTable, type Column } from '../output/table.js';
import type { DemoReport, StepReport, VersionReport } from './demo.js';

export function renderDemo(report: DemoReport, width: number): string {
  return [
    pc.bold('\nOn held-out rows, which no version was trained on'),
    renderTable(scoreColumns, scores(report.versions), width),
    pc.bold('\nSwitches while a client kept asking'),
    renderTable(switchColumns, report.steps.filter(underTraffic), width),
    pc.bold('\nTime'),
    renderTable(timeColumns, [...report.steps, { title: 'the whole loop', durationMs: report.durationMs }], width),
    '',
    report.kept
      ? `Everything still runs. Go on in ${report.project}: mlx status, mlx chat, mlx down`
      : `Nothing was left running. The project stays in ${report.project}: mlx runs ls, mlx serve ${report.model}@production`,
  ].join('\n');
}

type Score = {
  subject: string;
  loss: number | undefined;
  perplexity: number | undefined;
  exactMatch: number | undefined;
};

/** The base model once, then each version. */
function scores(versions: VersionReport[]): Score[] {
  const score = (subject: string, metrics: Record<string, number>, scored: 'base' | 'tuned'): Score => ({
    subject,
    loss: metrics[`held_out/${scored}/loss`],
    perplexity: metrics[`held_out/${scored}/perplexity`],
    exactMatch: metrics[`held_out/${scored}/exact_match`],
  });
  const base = versions.slice(0, 1).map(({ metrics }) => score('base model', metrics, 'base'));
  return [...base, ...versions.map(({ version, metrics }) => score(version, metrics, 'tuned'))];
}

const scoreColumns: Column<Score>[] = [
  { title: 'model', cell: ({ subject }) => subject },
  { title: 'loss', cell: ({ loss }) => figure(loss, formatNumber), align: 'right' },
  { title: 'perplexity', cell: ({ perplexity }) => figure(perplexity, formatNumber), align: 'right' },
  { title: 'exact match', cell: ({ exactMatch }) => figure(exactMatch, formatShare), align: 'right' },
];

type SwitchReport = StepReport & { traffic: NonNullable<StepReport['traffic']> };

function underTraffic(step: StepReport): step is SwitchReport {
  return step.traffic !== undefined;
}

const switchColumns: Column<SwitchReport>[] = [
  { title: 'switch', cell: ({ command }) => command.split(' ').slice(0, 3).join(' ') },
  { title: 'took', cell: ({ durationMs }) => formatDuration(durationMs), align: 'right' },
  { title: 'answered', cell: ({ traffic }) => String(traffic.answered), align: 'right' },
  { title: 'lost', cell: ({ traffic }) => String(traffic.failed), align: 'right' },
  { title: 'answered by', cell: ({ traffic }) => byVersion(traffic.byVersion), dropFirst: 1 },
];

const timeColumns: Column<Pick<StepReport, 'title' | 'durationMs'>>[] = [
  { title: 'step', cell: ({ title }) => title },
  { title: 'took', cell: ({ durationMs }) => formatDuration(durationMs), align: 'right' },
];

function byVersion(counts: Record<string, number>): string {
  return Object.entries(counts)
    .map(([version, count]) => `${version} ${count} times`)
    .join(', ');
}

function figure(value: number | undefined, format: (value: number) => string): string {
  return value === undefined ? '--' : format(value);
}
