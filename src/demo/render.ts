// The end of the demo: figures first, then what to do next.
import { renderTable } from '../output/table.js';
import type { DemoReport, VersionReport } from './demo.js';

export function renderDemo(report: DemoReport): string {
  return [
    '',
    renderScores(report.versions),
    '',
    renderSwitches(report),
    '',
    renderTimes(report),
    '',
    `The whole loop took ${seconds(report.durationMs)} with the ${report.engine} engine.`,
    report.kept
      ? `Everything still runs. Go on in ${report.project}: mlx status · mlx chat · mlx down`
      : `Nothing was left running. The project stays in ${report.project}: mlx runs ls · mlx serve tickets@production`,
  ].join('\n');
}

function renderScores(versions: VersionReport[]): string {
  const first = versions[0]?.metrics ?? {};
  const rows = [
    [
      'base model',
      number(first['held_out/base/loss']),
      number(first['held_out/base/perplexity']),
      percent(first['held_out/base/exact_match']),
    ],
    ...versions.map(({ version, metrics }) => [
      version,
      number(metrics['held_out/tuned/loss']),
      number(metrics['held_out/tuned/perplexity']),
      percent(metrics['held_out/tuned/exact_match']),
    ]),
  ];
  return renderTable(['held-out rows', 'loss', 'perplexity', 'exact match'], rows);
}

function renderSwitches(report: DemoReport): string {
  const rows = report.steps.flatMap(({ command, traffic, durationMs }) =>
    traffic === undefined
      ? []
      : [
          [
            command.split(' ').slice(0, 3).join(' '),
            seconds(durationMs),
            String(traffic.answered),
            String(traffic.failed),
            byVersion(traffic.byVersion),
          ],
        ],
  );
  return renderTable(['switch under traffic', 'took', 'answered', 'lost', 'answered by'], rows);
}

function renderTimes(report: DemoReport): string {
  return renderTable(
    ['step', 'took'],
    report.steps.map(({ title, durationMs }) => [title, seconds(durationMs)]),
  );
}

function byVersion(counts: Record<string, number>): string {
  return Object.entries(counts)
    .map(([version, count]) => `${version} ${count}x`)
    .join(', ');
}

function seconds(durationMs: number): string {
  return `${(durationMs / 1000).toFixed(1)} s`;
}

function number(value: number | undefined): string {
  return value === undefined ? '--' : value.toPrecision(3);
}

function percent(value: number | undefined): string {
  return value === undefined ? '--' : `${(100 * value).toFixed(1)} %`;
}
