// One account of the budget book: a key, a tenant, a feature or everything, with what it used and what is promised away.
import type { Limits } from '../../ledger/keys.js';
import { openMinute, type Minute } from './minute.js';
import { periodEnd, periodStart, type Period } from './periods.js';

export type Measure = 'usd' | 'tokens';

/** Money in billionths of a dollar, whole ones: sums of them are exact. */
export type Amount = { nanoUsd: number; tokens: number };

export type Account = {
  id: string;
  limits: Limits;
  day: Window;
  month: Window;
  requests: Minute;
  tokens: Minute;
};

export type Window = {
  period: Period;
  startMs: number;
  endMs: number;
  used: Amount;
  /** Promised to requests that run. */
  reserved: Amount;
  /** Told once a window. */
  alerted: Set<string>;
};

export type Used = { day: Amount; month: Amount };

export type LimitName = keyof Limits;

/** A limit over a day or a month. */
export type BudgetLimit = { name: LimitName; period: Period; measure: Measure };

export const budgetLimits: readonly BudgetLimit[] = [
  { name: 'usdPerDay', period: 'day', measure: 'usd' },
  { name: 'usdPerMonth', period: 'month', measure: 'usd' },
  { name: 'tokensPerDay', period: 'day', measure: 'tokens' },
  { name: 'tokensPerMonth', period: 'month', measure: 'tokens' },
];

export function measureOf(limit: LimitName): Measure {
  return limit.startsWith('usd') ? 'usd' : 'tokens';
}

export const noAmount: Amount = { nanoUsd: 0, tokens: 0 };

export function openAccount(id: string, limits: Limits, used: Used, nowMs: number): Account {
  return {
    id,
    limits,
    day: newWindow('day', nowMs, used.day),
    month: newWindow('month', nowMs, used.month),
    requests: openMinute(),
    tokens: openMinute(),
  };
}

/** The window of this moment: an old one is over, with all that was used in it. */
export function windowAt(account: Account, period: Period, nowMs: number): Window {
  // A clock that was set back does not open the old window again.
  if (nowMs >= account[period].endMs) account[period] = newWindow(period, nowMs, noAmount);
  return account[period];
}

/** In the unit of the amount: billionths of a dollar, or tokens. undefined without such a limit. */
export function allowedBy(account: Account, { name, measure }: BudgetLimit): number | undefined {
  const limit = account.limits[name];
  if (limit === null) return undefined;
  return measure === 'usd' ? toNanoUsd(limit) : limit;
}

export function amountOf(amount: Amount, measure: Measure): number {
  return measure === 'usd' ? amount.nanoUsd : amount.tokens;
}

export function addTo(sum: Amount, amount: Amount, sign: 1 | -1 = 1): void {
  sum.nanoUsd += sign * amount.nanoUsd;
  sum.tokens += sign * amount.tokens;
}

/** Rounded up: never less than what it costs. */
export function toNanoUsd(usd: number): number {
  return Math.ceil(usd * 1e9);
}

function newWindow(period: Period, nowMs: number, used: Amount): Window {
  return {
    period,
    startMs: periodStart(period, nowMs),
    endMs: periodEnd(period, nowMs),
    used: { ...used },
    reserved: { ...noAmount },
    alerted: new Set(),
  };
}
