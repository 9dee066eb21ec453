// `mlx traffic`: what went through the gateway: requests, tokens, cost, latency, errors. Reads .mlx/traffic.db.
import { setTimeout as pause } from 'node:timers/promises';

import pc from 'picocolors';

import { followStatus, type Context } from '../context.js';
import { keyNames } from '../gateway/keys/describe.js';
import { listKeys } from '../ledger/keys.js';
import type { Ledger } from '../ledger/open.js';
import { openTrafficForReading } from '../ledger/traffic.js';
import { newestTrafficId, trafficAfter, type TrafficLine } from '../ledger/traffic-lines.js';
import { summarizeTraffic, trafficGroups, type TrafficGroup, type TrafficSummary } from '../ledger/traffic-report.js';
import { formatCount, formatMilliseconds, formatUsd } from '../output/numbers.js';
import { outcome, type Outcome } from '../output/output.js';
import { readSince } from '../output/spans.js';
import { renderTable, type Column } from '../output/table.js';
import type { CommandModule } from '../program.js';

const lookEveryMs = 250;

export const define: CommandModule['define'] = (command) => {
  command
    .addOption(command.createOption('--by <what>', 'a line for each').choices(trafficGroups).conflicts('follow'))
    .addOption(
      command
        .createOption('--since <time>', 'how far back: 30m, 24h, 7d, or a day such as 2026-11-01')
        .default('7d')
        .conflicts('follow'),
    )
    .option('-f, --follow', 'each request as it ends, with its id for mlx explain, until Ctrl-C (130)');
  command.addHelpText(
    'after',
    `
Latency is of answers alone, from the arrival of a request to the end of its answer. Cost is by the price that held when the
request came; local models cost what gateway.hardware.usd_per_hour says. A cost marked * is without requests that have no known price; --:
none has one. Tokens marked ~ are estimates.

Examples:
  mlx traffic --by feature --since 30d
  mlx traffic --by model --json | jq '.groups[] | {group, cost_usd}'
  mlx traffic --follow`,
  );
};

export const run: CommandModule['run'] = async (context, _args, flags) => {
  if (flags['follow'] === true) return follow(context);
  const by = flags['by'] as TrafficGroup | undefined;
  const sinceMs = readSince(String(flags['since']), '--since', context.now());
  const traffic = openTrafficForReading(context.paths().trafficFile);
  try {
    const [total] = traffic ? summarizeTraffic(traffic, { by: undefined, sinceMs }) : [];
    const groups = traffic && by !== undefined ? summarizeTraffic(traffic, { by, sinceMs }) : [];
    const report = { since: new Date(sinceMs).toISOString(), by: by ?? null, total: total ?? null, groups };
    const nameOf = by === 'key' ? keyNames(listKeys(await context.ledger())) : (group: string) => group;
    return outcome(report, (value) => renderReport(value, nameOf, context.output.columns));
  } finally {
    traffic?.close();
  }
};

async function follow(context: Context): Promise<Outcome> {
  const { trafficFile } = context.paths();
  const ledger = await context.ledger();
  let traffic: Ledger | undefined;
  let seen: number | undefined;
  let count = 0;
  while (!context.signal.aborted) {
    traffic ??= openTrafficForReading(trafficFile);
    // A log that begins while we look is shown from its start.
    seen ??= traffic ? newestTrafficId(traffic) : 0;
    const lines = traffic ? trafficAfter(traffic, seen) : [];
    const nameOf = keyNames(lines.length === 0 ? [] : listKeys(ledger));
    for (const line of lines) {
      seen = line.id;
      count += 1;
      context.output.progress({ event: 'request', ...line }, undefined);
      if (!context.output.json) context.output.stream(`${requestLine(line, nameOf)}\n`);
    }
    await pause(lookEveryMs, undefined, { signal: context.signal }).catch(() => undefined);
  }
  traffic?.close();
  return outcome({ event: 'end', requests: count }, () => '', followStatus(context.signal));
}

export const endsOnInterrupt: CommandModule['endsOnInterrupt'] = (flags) => flags['follow'] === true;

function requestLine(line: TrafficLine, nameOf: (key: string) => string): string {
  const { status, operation, route, version, upstream, model, key, feature, inputTokens, outputTokens } = line;
  const target = version ?? (upstream === null ? '' : `${upstream}/${model ?? ''}`);
  const tokens = inputTokens === null ? '' : `${line.estimated ? '~' : ''}${inputTokens}+${outputTokens ?? 0} tokens`;
  const failed = status >= 400 || line.end !== 'complete';
  return [
    pc.dim(new Date(line.startedAtMs).toISOString().slice(11, 23)),
    failed ? pc.red(String(status)) : pc.green(String(status)),
    operation,
    `${route ?? '--'}${target === '' ? '' : ` -> ${target}`}`,
    [key === null ? null : nameOf(key), feature].filter((part) => part !== null).join('/'),
    tokens,
    line.costUsd === null ? '' : formatUsd(line.costUsd),
    formatMilliseconds(line.durationMs),
    failed ? pc.red(line.errorClass ?? line.end) : '',
    pc.dim(line.requestId),
  ]
    .filter((part) => part !== '')
    .join('  ');
}

type Report = { since: string; by: TrafficGroup | null; total: TrafficSummary | null; groups: TrafficSummary[] };

function renderReport({ since, by, total, groups }: Report, nameOf: (group: string) => string, width: number): string {
  if (!total) return `No request since ${since}. Where clients reach the gateway: mlx gateway status`;
  const columns: Column<TrafficSummary>[] = [
    { title: by ?? '', cell: ({ group }) => (by === null ? 'all' : group === null ? '--' : nameOf(group)) },
    { title: 'requests', cell: ({ requests }) => formatCount(requests), align: 'right' },
    { title: 'errors', cell: ({ errors }) => (errors === 0 ? '0' : pc.red(formatCount(errors))), align: 'right' },
    { title: 'in', cell: ({ inputTokens }) => formatCount(inputTokens), align: 'right', dropFirst: 2 },
    { title: 'cached', cell: ({ cachedInputTokens }) => formatCount(cachedInputTokens), align: 'right', dropFirst: 5 },
    { title: 'out', cell: ({ outputTokens }) => formatCount(outputTokens), align: 'right', dropFirst: 2 },
    { title: 'cost', cell: costText, align: 'right' },
    { title: 'p50', cell: ({ latencyMs }) => milliseconds(latencyMs.p50), align: 'right' },
    { title: 'p95', cell: ({ latencyMs }) => milliseconds(latencyMs.p95), align: 'right', dropFirst: 1 },
    { title: 'p99', cell: ({ latencyMs }) => milliseconds(latencyMs.p99), align: 'right', dropFirst: 3 },
    { title: 'first p50', cell: ({ firstTokenMs }) => milliseconds(firstTokenMs.p50), align: 'right', dropFirst: 4 },
    { title: 'first p95', cell: ({ firstTokenMs }) => milliseconds(firstTokenMs.p95), align: 'right', dropFirst: 6 },
  ];
  const table = renderTable(columns, by === null ? [total] : [...groups, { ...total, group: 'all' }], width);
  return [table, ...(total.unpriced === 0 ? [] : [pc.dim(withoutPrice(total.unpriced))])].join('\n');
}

/** `*`: of some requests the price is not known, `--`: of all that used tokens. */
function costText({ costUsd, priced, unpriced }: TrafficSummary): string {
  if (unpriced === 0) return formatUsd(costUsd);
  return priced === 0 ? '--' : `${formatUsd(costUsd)}*`;
}

function withoutPrice(count: number): string {
  const requests = count === 1 ? '1 request has' : `${formatCount(count)} requests have`;
  return `-- and *: ${requests} no known price, and no part in the cost. mlx.yaml sets them: gateway.hardware.usd_per_hour for local models, gateway.prices for others`;
}

function milliseconds(value: number | null): string {
  return value === null ? '' : formatMilliseconds(value);
}
