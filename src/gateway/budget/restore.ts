// Which accounts have limits, and what they have used already today and this month: read from the traffic log. Pure.
import type { Budget } from '../../config/metering.js';
import type { ApiKey, Limits } from '../../ledger/keys.js';
import type { DaySpending } from '../../ledger/spending.js';
import { addTo, noAmount, toNanoUsd, type Used } from './account.js';
import { utcDay } from './periods.js';

/** Of keys, and of mlx.yaml's budgets. Accounts without any limit are left out: they cost nothing to keep. */
export function limitsOf(keys: readonly ApiKey[], budgets: ReadonlyMap<string, Budget>): Map<string, Limits> {
  const ofKeys = keys
    .filter(({ revokedAtMs }) => revokedAtMs === null)
    .map(({ id, limits }) => [`key:${id}`, limits] as const);
  return new Map([...ofKeys, ...budgets].filter(([, limits]) => Object.values(limits).some((limit) => limit !== null)));
}

/** @param spending of the whole month */
export function usedBy(account: string, spending: readonly DaySpending[], nowMs: number): Used {
  const today = utcDay(nowMs);
  const month = today.slice(0, 7);
  const used = { day: { ...noAmount }, month: { ...noAmount } };
  for (const row of spending) {
    if (!row.day.startsWith(month) || !belongsTo(row, account)) continue;
    const amount = { nanoUsd: toNanoUsd(row.costUsd), tokens: row.tokens };
    addTo(used.month, amount);
    if (row.day === today) addTo(used.day, amount);
  }
  return used;
}

function belongsTo(row: DaySpending, account: string): boolean {
  const [kind = '', ...rest] = account.split(':');
  const name = rest.join(':');
  switch (kind) {
    case 'key':
      return row.keyId === name;
    case 'tenant':
      return row.tenant === name;
    case 'feature':
      return row.feature === name;
    default:
      return true;
  }
}
