// Who keeps the budgets: this process, or for a worker the one that all workers ask. Asynchronous for that reason alone.
import type { Amount } from './account.js';
import type { Book, Reservation } from './book.js';
import type { Estimate, Refused } from './checks.js';

export type BudgetKeeper = {
  reserve: (accounts: readonly string[], estimate: Estimate) => Promise<Reservation | Refused>;
  /** What it really was. */
  settle: (id: number, actual: Amount) => void;
  /** Nothing was used. */
  release: (id: number) => void;
  /** Used without having been promised. */
  charge: (accounts: readonly string[], actual: Amount) => void;
};

export function localKeeper(book: Book, now: () => Date): BudgetKeeper {
  return {
    reserve: async (accounts, estimate) => book.reserve(accounts, estimate, now().getTime()),
    settle: book.settle,
    release: book.release,
    charge: (accounts, actual) => book.charge(accounts, actual, now().getTime()),
  };
}
