// How each budget stands, for people and programs. Pure but for windows that are over, which begin anew.
import type { BudgetState } from '../control-api.js';
import { allowedBy, amountOf, budgetLimits, windowAt, type Account } from './account.js';

/** @param softShare part of a limit that is worth an alert */
export function budgetStates(accounts: readonly Account[], softShare: number, nowMs: number): BudgetState[] {
  return accounts.flatMap((account) =>
    budgetLimits.flatMap((limit) => {
      const allowed = allowedBy(account, limit);
      if (allowed === undefined) return [];
      const window = windowAt(account, limit.period, nowMs);
      const inUnit = (amount: number): number => (limit.measure === 'usd' ? amount / 1e9 : amount);
      const [used, reserved] = [amountOf(window.used, limit.measure), amountOf(window.reserved, limit.measure)];
      return {
        ...{ account: account.id, limit: limit.name, unit: limit.measure, resetsAtMs: window.endMs },
        ...{ allowed: inUnit(allowed), used: inUnit(used), reserved: inUnit(reserved) },
        left: inUnit(Math.max(0, allowed - used - reserved)),
        state: used >= allowed ? 'used_up' : used >= allowed * softShare ? 'near' : 'ok',
      } as const;
    }),
  );
}
