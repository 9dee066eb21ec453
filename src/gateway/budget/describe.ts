// A budget in people's words, alike wherever budgets are shown: what is used of what is allowed, and as a share. Pure.
import type { ApiKey } from '../../ledger/keys.js';
import { formatCount, formatShare, formatUsd } from '../../output/numbers.js';
import type { BudgetState } from '../control-api.js';

/** `$0.85 of $1.00 (85 %)`. @param limit what the allowed amount is, in words */
export function describeUse(budget: Pick<BudgetState, 'unit' | 'used' | 'allowed'>, limit = ''): string {
  const { used, allowed } = budget;
  const share = formatShare(allowed === 0 ? 1 : used / allowed);
  return `${describeAmount(budget, used)} of ${describeAmount(budget, allowed)}${limit} (${share})`;
}

export function describeAmount({ unit }: Pick<BudgetState, 'unit'>, amount: number): string {
  return unit === 'usd' ? formatUsd(amount) : formatCount(amount);
}

export type NamedBudget = BudgetState & {
  /** Of the key whose account it is. */
  name: string | null;
};

export function withKeyNames(budgets: readonly BudgetState[], keys: readonly ApiKey[]): NamedBudget[] {
  const names = new Map(keys.map(({ id, name }) => [`key:${id}`, name]));
  return budgets.map((budget) => ({ ...budget, name: names.get(budget.account) ?? null }));
}

export function describeAccount({ account, name }: Pick<NamedBudget, 'account' | 'name'>): string {
  return name === null ? account : `${account} (${name})`;
}
