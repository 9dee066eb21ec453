// `mlx runs ls`: the newest or the best runs. Reads the ledger; marks runs whose mlx died.
// Starts fast: it loads the ledger and the table, and neither YAML nor zod nor Ink.
import pc from 'picocolors';

import { readWholeNumber } from '../config/whole-number.js';
import { MlxError } from '../errors.js';
import type { Context } from '../context.js';
import { latestMetrics, metricKeys } from '../ledger/metrics.js';
import type { Ledger } from '../ledger/open.js';
import { listRuns, type Run, type RunFilter, type RunState } from '../ledger/runs.js';
import { formatAgo, formatDuration, formatNumber, formatShare } from '../output/numbers.js';
import { outcome } from '../output/output.js';
import { renderTable, type Column } from '../output/table.js';
import type { CommandModule } from '../program.js';
import { metricIsBetterLow, metricKey } from '../training/metric-direction.js';
import { openReconciled } from '../training/reconcile.js';
import { stateNow } from '../training/state-now.js';

/** More than a ledger will ever hold. */
const everyRun = 1_000_000_000;

const states: readonly RunState[] = ['running', 'finished', 'failed', 'stopped', 'lost'];

export const define: CommandModule['define'] = (command) => {
  command
    .addOption(command.createOption('--state <state>', 'only runs in this state').choices(states))
    .option('--recipe <name>', 'only runs of this recipe')
    .option(
      '--sort <what>',
      'started, or a metric: the best first (exact_match, loss, train/mean_loss, ...)',
      'started',
    )
    .option('--reverse', 'the oldest, or the worst, first')
    .option('--limit <count>', 'at most so many', '20')
    .option('--all', 'every run, however many');
  command.addHelpText(
    'after',
    `
Examples:
  mlx runs ls
  mlx runs ls --recipe tickets --state finished --sort exact_match
  mlx runs ls --all --json | jq '.runs[] | .run'`,
  );
};

export const run: CommandModule['run'] = async (context, _args, flags) => {
  const ledger = await openReconciled(context);
  const filter = readFilter(flags);
  // One more than asked for tells whether there are more.
  const found = listRuns(ledger, { ...filter, limit: filter.limit + 1 });
  if (filter.sort !== 'started') checkMetric(ledger, filter.sort);
  const runs = found.slice(0, filter.limit).map((each) => listedRun(ledger, each));
  const filtered = filter.state !== undefined || filter.recipe !== undefined;
  const list: RunList = { runs, more: found.length > filter.limit, sort: filter.sort };
  return outcome(list, (value) => (value.runs.length === 0 ? noRuns(filtered) : renderRuns(value, context)));
};

type ListedRun = Pick<Run, 'recipe' | 'state' | 'engine' | 'startedAtMs' | 'endedAtMs' | 'errorCode'> & {
  run: string;
  metrics: Record<string, number>;
};

type RunList = { runs: ListedRun[]; more: boolean; sort: string };

function listedRun(ledger: Ledger, each: Run): ListedRun {
  const { id, recipe, engine, startedAtMs, endedAtMs, errorCode } = each;
  const state = stateNow(each);
  return { run: id, recipe, state, engine, startedAtMs, endedAtMs, errorCode, metrics: latestMetrics(ledger, id) };
}

function readFilter(flags: Record<string, unknown>): RunFilter {
  const { state, recipe, sort, limit, all, reverse } = flags as {
    state?: RunState;
    recipe?: string;
    sort: string;
    limit: string;
    all?: boolean;
    reverse?: boolean;
  };
  const key = metricKey(sort);
  const bestFirst = key === 'started' || !metricIsBetterLow(key);
  return {
    state,
    recipe,
    sort: key,
    descending: bestFirst !== (reverse === true),
    limit: all === true ? everyRun : readWholeNumber(limit, '--limit', { from: 1, hint: 'Or every run: --all' }),
  };
}

function checkMetric(ledger: Ledger, key: string): void {
  const known = metricKeys(ledger);
  if (known.length === 0 || known.includes(key)) return;
  throw new MlxError('NOT_FOUND', `No run has a metric '${key}'.`, { hint: `There are: started, ${known.join(', ')}` });
}

function noRuns(filtered: boolean): string {
  return filtered ? 'No run is like that. See them all: mlx runs ls' : 'There is no run yet. Make one: mlx train';
}

function renderRuns({ runs, more, sort }: RunList, { output, now }: Context): string {
  const nowMs = now().getTime();
  const columns: Column<ListedRun>[] = [
    { title: 'run', cell: ({ run: id }) => id },
    { title: 'state', cell: ({ state, errorCode }) => stateText(state, errorCode) },
    { title: 'started', cell: ({ startedAtMs }) => formatAgo(startedAtMs, nowMs), dropFirst: 2 },
    {
      title: 'took',
      cell: (listed) => formatDuration(durationOf(listed, nowMs)),
      align: 'right',
      dropFirst: 3,
    },
    { title: 'loss', cell: ({ metrics }) => change(metrics, 'loss', formatNumber), align: 'right', dropFirst: 4 },
    {
      title: 'exact match',
      cell: ({ metrics }) => change(metrics, 'exact_match', formatShare),
      align: 'right',
      dropFirst: 1,
    },
    { title: 'recipe', cell: ({ recipe }) => recipe, dropFirst: 6 },
    { title: 'engine', cell: ({ engine }) => engine, dropFirst: 7 },
  ];
  const shown = /^(started|held_out\/tuned\/(loss|exact_match))$/.test(sort) ? [] : [metricColumn(sort)];
  const table = renderTable([...columns, ...shown], runs, output.columns);
  return more ? `${table}\n${pc.dim('There are more: --all, or --limit COUNT')}` : table;
}

function metricColumn(key: string): Column<ListedRun> {
  return {
    title: key,
    cell: ({ metrics }) => (metrics[key] === undefined ? '' : formatNumber(metrics[key])),
    align: 'right',
  };
}

/** Time at work; of a run that goes on or was lost, what the clock says. */
function durationOf({ metrics, startedAtMs, endedAtMs }: ListedRun, nowMs: number): number {
  return metrics['duration_ms'] ?? (endedAtMs ?? nowMs) - startedAtMs;
}

/** `3.47 -> 0.41`: base, then tuned. */
function change(metrics: Record<string, number>, name: string, format: (value: number) => string): string {
  const [base, tuned] = [metrics[`held_out/base/${name}`], metrics[`held_out/tuned/${name}`]];
  if (tuned === undefined) return '';
  return base === undefined ? format(tuned) : `${format(base)} → ${format(tuned)}`;
}

function stateText(state: RunState, errorCode: string | null): string {
  if (state === 'finished') return pc.green(state);
  if (state === 'running') return pc.cyan(state);
  return state === 'failed' ? `${pc.red(state)} ${errorCode ?? ''}`.trim() : pc.yellow(state);
}
