// `mlx keys ls`: the keys of the gateway's clients. Reads the ledger.
import pc from 'picocolors';

import type { Context } from '../context.js';
import { describeKey, describeLimits, type DescribedKey } from '../gateway/keys/describe.js';
import { listKeys } from '../ledger/keys.js';
import { formatAgo, formatAhead } from '../output/numbers.js';
import { outcome } from '../output/output.js';
import { renderTable, type Column } from '../output/table.js';
import type { CommandModule } from '../program.js';

export const define: CommandModule['define'] = (command) => {
  command.option('--all', 'revoked ones too');
  command.addHelpText(
    'after',
    `
What they used of their limits: mlx budgets

Examples:
  mlx keys ls
  mlx keys ls --all --json`,
  );
};

export const run: CommandModule['run'] = async (context, _args, flags) => {
  const nowMs = context.now().getTime();
  const all = listKeys(await context.ledger()).map((key) => describeKey(key, nowMs));
  const keys = all.filter(({ state }) => state === 'valid' || flags['all'] === true);
  return outcome({ keys, hidden: all.length - keys.length }, (value) =>
    [renderKeys(value.keys, context), ...hiddenText(value.hidden)].join('\n'),
  );
};

function hiddenText(hidden: number): string[] {
  return hidden === 0 ? [] : [pc.dim(`${hidden} revoked: mlx keys ls --all`)];
}

function renderKeys(keys: DescribedKey[], { now, output }: Context): string {
  if (keys.length === 0) return 'There is no key but your own (mlx gateway key). Make one: mlx keys create NAME';
  const nowMs = now().getTime();
  const columns: Column<DescribedKey>[] = [
    { title: 'key', cell: ({ key }) => key },
    { title: 'name', cell: ({ name }) => name ?? '', dropFirst: 1 },
    { title: 'tenant', cell: ({ tenant }) => tenant ?? '' },
    { title: 'feature', cell: ({ features }) => (features.length === 0 ? 'any' : features.join(', ')) },
    { title: 'models', cell: ({ models }) => (models.length === 0 ? 'all' : models.join(', ')), dropFirst: 2 },
    { title: 'limits', cell: ({ limits }) => describeLimits(limits), dropFirst: 3 },
    { title: 'made', cell: ({ createdAtMs }) => formatAgo(createdAtMs, nowMs), dropFirst: 4 },
    { title: 'state', cell: (key) => stateText(key, nowMs) },
  ];
  return renderTable(columns, keys, output.columns);
}

function stateText({ state, oldSecretUntilMs }: DescribedKey, nowMs: number): string {
  if (state === 'revoked') return pc.red(state);
  if (oldSecretUntilMs === null) return pc.green(state);
  return `${pc.green(state)}, old secret for ${formatAhead(oldSecretUntilMs, nowMs)}`;
}
