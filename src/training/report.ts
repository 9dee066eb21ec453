// The text of a run for people: what it was, base against tuned, example answers, what to type next. Pure.
import { stripVTControlCharacters } from 'node:util';

import pc from 'picocolors';

import { formatCount, formatDuration, formatNumber, formatShare } from '../output/numbers.js';
import { renderTable, type Column } from '../output/table.js';
import type { Example, RunSummary, Score } from './summary.js';

/** @param sections what the command adds before the last line, which says what to type next */
export function renderRun(summary: RunSummary, width: number, sections: readonly string[] = []): string {
  return [
    renderHeading(summary),
    renderFacts(summary),
    renderScores(summary, width),
    renderExamples(summary.examples, width),
    ...sections,
    renderNext(summary),
  ]
    .filter((part) => part !== '')
    .join('\n\n');
}

export function renderState(state: RunSummary['state']): string {
  if (state === 'finished') return pc.green(state);
  if (state === 'running') return pc.cyan(state);
  return state === 'failed' ? pc.red(state) : pc.yellow(state);
}

function renderHeading({ run, state, error }: RunSummary): string {
  const why = error === null ? [] : [`${pc.red('why')}    ${error.message} ${pc.dim(`[${error.code}]`)}`];
  return [`${pc.bold(run)}  ${renderState(state)}`, ...why].join('\n');
}

function renderFacts(summary: RunSummary): string {
  const { baseModel, baseCommit, method, seed, device, engine, seal, steps, tokens, adapterSha256 } = summary;
  const facts: [string, string | undefined][] = [
    ['base', `${baseModel} at ${baseCommit.slice(0, 12)}`],
    ['method', `${method}, seed ${seed}`],
    ['ran on', `${device ?? 'unknown device'} (${engine}${seal === null ? '' : `, sealed by ${seal}`})`],
    ['trained', steps === null ? undefined : `${formatCount(steps)} steps, ${formatCount(tokens ?? 0)} tokens`],
    ['took', renderDurations(summary)],
    ['memory', summary.peakMemoryGib === null ? undefined : `${summary.peakMemoryGib.toFixed(1)} GiB at most`],
    ['adapter', adapterSha256 === null ? undefined : `sha256 ${adapterSha256}`],
    [
      'mlflow',
      summary.mlflow.runId === null
        ? undefined
        : `${summary.mlflow.runId}${summary.mlflow.synced ? '' : ', not complete'}`,
    ],
    ['replays', summary.replayOf ?? undefined],
    ['files', summary.folder],
  ];
  return facts
    .flatMap(([name, value]) => (value === undefined ? [] : [`${pc.dim(name.padEnd(8))} ${value}`]))
    .join('\n');
}

function renderDurations({ durationMs, trainDurationMs, wrapperMs }: RunSummary): string | undefined {
  if (durationMs === null) return undefined;
  const parts = [
    ...(trainDurationMs === null ? [] : [`training ${formatDuration(trainDurationMs)}`]),
    ...(wrapperMs === null ? [] : [`mlx itself ${formatDuration(wrapperMs)}`]),
  ];
  return `${formatDuration(durationMs)}${parts.length === 0 ? '' : ` (${parts.join(', ')})`}`;
}

type ScoreRow = { name: string; base: string; tuned: string };

function renderScores({ scores }: RunSummary, width: number): string {
  const { base, tuned } = scores;
  if (base === null && tuned === null) return '';
  const row = (name: string, figure: (score: Score) => string): ScoreRow => ({
    name,
    base: base === null ? '-' : figure(base),
    tuned: tuned === null ? '-' : figure(tuned),
  });
  const columns: Column<ScoreRow>[] = [
    { title: 'held-out rows', cell: ({ name }) => name },
    { title: 'base', cell: (score) => score.base, align: 'right' },
    { title: 'tuned', cell: (score) => pc.bold(score.tuned), align: 'right' },
  ];
  const rows = [
    row('loss', ({ loss }) => formatNumber(loss)),
    row('perplexity', ({ perplexity }) => formatNumber(perplexity)),
    row('exact match', ({ exactMatch }) => formatShare(exactMatch)),
  ];
  return renderTable(columns, rows, width);
}

function renderExamples(examples: readonly Example[], width: number): string {
  const place = width - 9;
  return examples
    .map(({ row, prompt, expected, base, tuned }) => {
      const verdict = tuned.trim() === expected.trim() ? pc.green : pc.yellow;
      return [
        pc.dim(`held-out row ${row}`),
        // The end of a prompt is what the person asked; the instructions before it are the same in every row.
        `${pc.dim('asked   ')} ${lastOf(forTerminal(prompt), place)}`,
        `${pc.dim('expected')} ${firstOf(forTerminal(expected), place)}`,
        `${pc.dim('base    ')} ${firstOf(forTerminal(base), place)}`,
        `${pc.dim('tuned   ')} ${verdict(firstOf(forTerminal(tuned), place))}`,
      ].join('\n');
    })
    .join('\n\n');
}

/** Text that a model wrote may hold escape codes; none of them may reach the terminal. */
function forTerminal(text: string): string {
  return stripVTControlCharacters(text)
    .replaceAll(/[\s\p{Cc}\p{Bidi_Control}]+/gu, ' ')
    .trim();
}

function firstOf(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, Math.max(1, width - 1))}…`;
}

function lastOf(text: string, width: number): string {
  return text.length <= width ? text : `…${text.slice(-Math.max(1, width - 1))}`;
}

function renderNext({ next, error }: RunSummary): string {
  if (error?.hint) return `${pc.cyan('next')}   ${error.hint}`;
  return next === null ? '' : `${pc.cyan('next')}   ${next}`;
}
