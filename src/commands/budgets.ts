// `mlx budgets`: how much of each limit is used and left. Asks the running gateway; without one, reads .mlx/traffic.db.
import pc from 'picocolors';

import type { Context } from '../context.js';
import {
  describeAccount,
  describeAmount,
  describeUse,
  withKeyNames,
  type NamedBudget,
} from '../gateway/budget/describe.js';
import { offlineBudgets } from '../gateway/budget/offline.js';
import { askGatewayOrNote } from '../gateway/control.js';
import { listKeys } from '../ledger/keys.js';
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
  const { state, gatewayRuns } = await askGatewayOrNote(paths.sockets, context.output.note);
  const budgets =
    state?.budgets ??
    offlineBudgets(ledger, paths.trafficFile, (await context.config()).gateway.metering, context.now().getTime());
  const named = withKeyNames(budgets, listKeys(ledger));
  return outcome({ gatewayRuns, budgets: named }, (value) => renderBudgets(value.budgets, context));
};

const limitTexts: Record<string, string> = {
  usdPerDay: 'USD a day',
  usdPerMonth: 'USD a month',
  tokensPerDay: 'tokens a day',
  tokensPerMonth: 'tokens a month',
};

function renderBudgets(budgets: NamedBudget[], { output }: Context): string {
  if (budgets.length === 0) {
    return 'There is no budget. Give a key one: mlx keys create NAME --budget-day-usd 5, or set gateway.budgets in mlx.yaml';
  }
  const columns: Column<NamedBudget>[] = [
    { title: 'account', cell: describeAccount },
    { title: 'limit', cell: ({ limit }) => limitTexts[limit] ?? limit },
    { title: 'used', cell: useText, align: 'right' },
    { title: 'reserved', cell: (budget) => describeAmount(budget, budget.reserved), align: 'right', dropFirst: 3 },
    { title: 'left', cell: (budget) => describeAmount(budget, budget.left), align: 'right' },
    {
      title: 'begins anew',
      cell: ({ resetsAtMs }) => `${new Date(resetsAtMs).toISOString().slice(0, 16)}Z`,
      dropFirst: 1,
    },
  ];
  return renderTable(columns, budgets, output.columns);
}

function useText(budget: NamedBudget): string {
  const text = describeUse(budget);
  if (budget.state === 'ok') return text;
  return budget.state === 'near' ? pc.yellow(text) : pc.red(text);
}
