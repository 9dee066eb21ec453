// The budgets of the running gateway: limits of keys and of mlx.yaml in one book, which begins with what was used before.
import type { Metering } from '../../config/metering.js';
import type { Limits } from '../../ledger/keys.js';
import { spendingSince } from '../../ledger/spending.js';
import type { KeyRing } from '../keys/ring.js';
import type { TrafficWriter } from '../traffic-writer.js';
import type { Account } from './account.js';
import { openBook } from './book.js';
import type { Alert } from './checks.js';
import { localKeeper, type BudgetKeeper } from './keeper.js';
import { periodStart, utcDay } from './periods.js';
import { limitsOf, usedBy } from './restore.js';

export type Budgets = {
  keeper: BudgetKeeper;
  /** By account; those without a limit are not here. */
  limits: () => ReadonlyMap<string, Limits>;
  accounts: () => readonly Account[];
  /** Keys or settings are others now. */
  reload: () => void;
};

export type BudgetEdges = {
  settings: () => Metering;
  ring: () => KeyRing;
  writer: TrafficWriter;
  now: () => Date;
  onAlert: (alert: Alert) => void;
};

export function openBudgets(edges: BudgetEdges): Budgets {
  const { settings, ring, writer, now, onAlert } = edges;
  const book = openBook(settings().alerts.atShare, onAlert);
  let limits = new Map<string, Limits>();
  const reload = (): void => {
    limits = limitsOf(ring().keys, settings().budgets);
    const nowMs = now().getTime();
    // What a new account used may still wait for its batch.
    writer.flush();
    const spending = spendingSince(writer.traffic, utcDay(periodStart('month', nowMs)));
    book.setAccounts(limits, (account) => usedBy(account, spending, nowMs), nowMs);
  };
  reload();
  return { keeper: localKeeper(book, now), limits: () => limits, accounts: book.accounts, reload };
}
