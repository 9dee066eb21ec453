// How budgets stand while no gateway runs: what the next one would begin with.
import type { Metering } from '../../config/metering.js';
import { listKeys } from '../../ledger/keys.js';
import type { Ledger } from '../../ledger/open.js';
import { spendingSince } from '../../ledger/spending.js';
import { openTrafficForReading } from '../../ledger/traffic.js';
import type { BudgetState } from '../control-api.js';
import { openAccount } from './account.js';
import { periodStart, utcDay } from './periods.js';
import { limitsOf, usedBy } from './restore.js';
import { budgetStates } from './states.js';

export function offlineBudgets(ledger: Ledger, trafficFile: string, metering: Metering, nowMs: number): BudgetState[] {
  const traffic = openTrafficForReading(trafficFile);
  try {
    const spending = traffic ? spendingSince(traffic, utcDay(periodStart('month', nowMs))) : [];
    const limits = [...limitsOf(listKeys(ledger), metering.budgets)];
    const accounts = limits.map(([id, one]) => openAccount(id, one, usedBy(id, spending, nowMs), nowMs));
    return budgetStates(accounts, metering.alerts.atShare, nowMs);
  } finally {
    traffic?.close();
  }
}
