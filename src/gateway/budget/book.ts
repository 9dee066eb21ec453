// The budget book: promises an amount to a request before it runs and settles it afterwards. One call is one step: nothing runs
// between the look and the promise, so that no interleaving of requests spends the same money twice.
import type { Limits } from '../../ledger/keys.js';
import { addTo, openAccount, windowAt, type Account, type Amount, type Used, type Window } from './account.js';
import { findSoft, isHopeless, isTooLarge, refusalOf, type Alert, type Estimate, type Refused } from './checks.js';

/** Plain numbers, so that it can pass between processes. */
export type Reservation = { id: number };

export type Book = {
  /** Accounts without limits are not kept. What an account used stays when its limits change. */
  setAccounts: (limits: ReadonlyMap<string, Limits>, usedBy: (account: string) => Used, nowMs: number) => void;
  /** All or nothing, over every one of these accounts that is kept. */
  reserve: (accounts: readonly string[], estimate: Estimate, nowMs: number) => Reservation | Refused;
  /** In the windows in which it was reserved: a request belongs to the day on which it began. */
  settle: (id: number, actual: Amount) => void;
  release: (id: number) => void;
  /** What was used without having been promised: a copy that went to a shadow. */
  charge: (accounts: readonly string[], actual: Amount, nowMs: number) => void;
  accounts: () => readonly Account[];
};

type Entry = { account: Account; windows: readonly Window[]; correctTokens: (change: number) => void };

type Open = { entries: Entry[]; estimate: Estimate };

/** @param softShare part of a limit that is worth an alert: 0.8 */
export function openBook(softShare: number, onAlert: (alert: Alert) => void): Book {
  const accounts = new Map<string, Account>();
  const open = new Map<number, Open>();
  let lastId = 0;
  const tellSoft = (touched: readonly Pick<Entry, 'account' | 'windows'>[]): void => {
    for (const { account, windows } of touched) findSoft(account, windows, softShare).forEach(onAlert);
  };
  return {
    setAccounts: (limits, usedBy, nowMs) => {
      for (const id of accounts.keys()) if (!limits.has(id)) accounts.delete(id);
      for (const [id, limit] of limits) {
        const known = accounts.get(id);
        if (known) known.limits = limit;
        else accounts.set(id, restored(openAccount(id, limit, usedBy(id), nowMs), softShare));
      }
    },
    reserve: (ids, estimate, nowMs) => {
      const asked = ids.flatMap((id) => accounts.get(id) ?? []);
      const decisive = decisiveRefusal(asked, estimate, nowMs);
      if (decisive) return told(decisive.refused, decisive.account, onAlert);
      lastId += 1;
      open.set(lastId, { estimate, entries: asked.map((account) => enter(account, estimate, nowMs)) });
      return { id: lastId };
    },
    settle: (id, actual) => tellSoft(close(open, id, actual)),
    release: (id) => void close(open, id, { nanoUsd: 0, tokens: 0 }),
    charge: (ids, actual, nowMs) => {
      const charged = ids.flatMap((id) => accounts.get(id) ?? []).map((account) => windowsOf(account, nowMs));
      for (const { windows } of charged) for (const window of windows) addTo(window.used, actual);
      tellSoft(charged);
    },
    accounts: () => [...accounts.values()],
  };
}

/** One that no waiting helps against is told before one that ends. */
function decisiveRefusal(
  asked: readonly Account[],
  estimate: Estimate,
  nowMs: number,
): { refused: Refused; account: Account } | undefined {
  let first: { refused: Refused; account: Account } | undefined;
  for (const account of asked) {
    const refused = refusalOf(account, estimate, nowMs);
    if (refused && isHopeless(refused)) return { refused, account };
    if (refused) first ??= { refused, account };
  }
  return first;
}

function windowsOf(account: Account, nowMs: number): Pick<Entry, 'account' | 'windows'> {
  return { account, windows: [windowAt(account, 'day', nowMs), windowAt(account, 'month', nowMs)] };
}

function enter(account: Account, estimate: Estimate, nowMs: number): Entry {
  const { windows } = windowsOf(account, nowMs);
  for (const window of windows) addTo(window.reserved, estimate);
  account.requests.add(1, nowMs);
  return { account, windows, correctTokens: account.tokens.add(estimate.rateTokens, nowMs) };
}

/** Settling twice, or what was never promised, does nothing. */
function close(open: Map<number, Open>, id: number, actual: Amount): readonly Entry[] {
  const found = open.get(id);
  if (!found) return [];
  open.delete(id);
  for (const { windows, correctTokens } of found.entries) {
    correctTokens(actual.tokens - found.estimate.rateTokens);
    for (const window of windows) {
      addTo(window.reserved, found.estimate, -1);
      addTo(window.used, actual);
    }
  }
  return found.entries;
}

/** What was told before a restart is not told again. */
function restored(account: Account, softShare: number): Account {
  findSoft(account, [account.day, account.month], softShare);
  return account;
}

/** Limits per minute are everyday; those of a day or a month are told: once that one is used up, and once that a request alone is too large. */
function told(refused: Refused, account: Account, onAlert: (alert: Alert) => void): Refused {
  const window = refused.limit.endsWith('PerDay') ? account.day : account.month;
  const mark = `${isTooLarge(refused) ? 'too large' : 'hard'} ${refused.limit}`;
  if (!refused.limit.endsWith('PerMinute') && !window.alerted.has(mark)) {
    window.alerted.add(mark);
    onAlert({ ...refused, level: 'hard' });
  }
  return refused;
}
