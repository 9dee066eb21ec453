// `mlx budgets`: how much of each limit is used and left. Asks the running gateway; without one, reads .mlx/traffic.db.
import pc from 'picocolors';

import type { Context } from '../context.js';
import { offlineBudgets } from '../gateway/budget/offline.js';
import type { BudgetState } from '../gateway/control-api.js';
import { gatewayControl } from '../gateway/control.js';
import { listKeys } from '../ledger/keys.js';
import { formatCount, formatShare, formatUsd } from '../output/numbers.js';
import { outcome } from '../output/output.js';
import { renderTable, type Column } from '../output/table.js';
import type { CommandModule } from '../program.js';

export const define: CommandModule['define'] = (command) => {
  command.addHelpText(
    'after',
    `
Limits of keys come from mlx keys create, those of tenants, features and everything from gateway.budgets of mlx.yaml. Days and
months are UTC's. Reserved is what running requests may still use.

Examples:
  mlx budgets
  mlx budgets --json | jq '.budgets[] | select(.state != "ok")'`,
  );
};

export const run: CommandModule['run'] = async (context) => {
  const paths = context.paths();
  const ledger = await context.ledger();
  const state = await gatewayControl(paths.sockets).state();
  const budgets =
    state?.budgets ??
    offlineBudgets(ledger, paths.trafficFile, (await context.config()).gateway.metering, context.now().getTime());
  const names = new Map(listKeys(ledger).map(({ id, name }) => [`key:${id}`, name]));
  const named = budgets.map((budget) => ({ ...budget, name: names.get(budget.account) ?? null }));
  return outcome({ gatewayRuns: state !== undefined, budgets: named }, (value) =>
    renderBudgets(value.budgets, context),
  );
};

type Named = BudgetState & { name: string | null };

const limitTexts: Record<string, string> = {
  usdPerDay: 'USD a day',
  usdPerMonth: 'USD a month',
  tokensPerDay: 'tokens a day',
  tokensPerMonth: 'tokens a month',
};

function renderBudgets(budgets: Named[], { output }: Context): string {
  if (budgets.length === 0) {
    return 'There is no budget. Give a key one: mlx keys create NAME --budget-day-usd 5, or set gateway.budgets in mlx.yaml';
  }
  const columns: Column<Named>[] = [
    { title: 'account', cell: ({ account, name }) => (name === null ? account : `${account} (${name})`) },
    { title: 'limit', cell: ({ limit }) => limitTexts[limit] ?? limit },
    {
      title: 'used',
      cell: (budget) => `${amount(budget, budget.used)} of ${amount(budget, budget.allowed)}`,
      align: 'right',
    },
    { title: 'reserved', cell: (budget) => amount(budget, budget.reserved), align: 'right', dropFirst: 3 },
    { title: 'left', cell: (budget) => amount(budget, budget.left), align: 'right' },
    { title: '', cell: share, align: 'right' },
    {
      title: 'begins anew',
      cell: ({ resetsAtMs }) => `${new Date(resetsAtMs).toISOString().slice(0, 16)}Z`,
      dropFirst: 1,
    },
  ];
  return renderTable(columns, budgets, output.columns);
}

function amount({ unit }: Named, value: number): string {
  return unit === 'usd' ? formatUsd(value) : formatCount(value);
}

function share({ used, allowed, state }: Named): string {
  const text = formatShare(allowed === 0 ? 1 : used / allowed);
  if (state === 'ok') return text;
  return state === 'near' ? pc.yellow(text) : pc.red(text);
}
