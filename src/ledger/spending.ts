// What was spent by day, read back: budgets begin with it after a restart of the gateway.
import type { Ledger } from './open.js';

/** Empty texts where a request had no tenant or feature. */
export type DaySpending = {
  day: string;
  keyId: string;
  tenant: string;
  feature: string;
  requests: number;
  tokens: number;
  costUsd: number;
};

/** From a day on (`2026-11-01`, UTC). */
export function spendingSince(traffic: Pick<Ledger, 'database'>, day: string): DaySpending[] {
  return traffic.database
    .prepare(
      'SELECT day, key_id AS keyId, tenant, feature, requests, tokens, cost_usd AS costUsd FROM spending WHERE day >= ? ORDER BY day',
    )
    .all(day) as DaySpending[];
}
