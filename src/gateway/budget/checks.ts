// Whether an account can still afford a request, and whether it is near its end. Pure but for the marks of what was told.
import {
  allowedBy,
  amountOf,
  budgetLimits,
  windowAt,
  type Account,
  type Amount,
  type BudgetLimit,
  type LimitName,
  type Window,
} from './account.js';
import type { Minute } from './minute.js';

/** At most so much; `rateTokens` is the likely number of tokens, for the limit per minute. */
export type Estimate = Amount & { rateTokens: number };

/** Amounts in the unit of the limit: billionths of a dollar, tokens or requests. */
export type Refused = {
  account: string;
  limit: LimitName;
  allowed: number;
  /** Used and promised to requests that run. */
  taken: number;
  needed: number;
  resetsAtMs: number;
};

/** `soft`: nearly used up. `hard`: a request was refused. */
export type Alert = Refused & { level: 'soft' | 'hard' };

/** However long it waits: it alone is more than the whole limit. Limits per minute let such a one pass when nothing else did. */
export function isHopeless({ limit, allowed, needed }: Refused): boolean {
  return !limit.endsWith('PerMinute') && (needed > allowed || allowed === 0);
}

/** Hopeless, and not because it is used up. */
export function isTooLarge(refused: Refused): boolean {
  return isHopeless(refused) && refused.taken < refused.allowed;
}

/** Of several, one that no waiting helps against: whoever waits for another one would wait in vain. */
export function refusalOf(account: Account, estimate: Estimate, nowMs: number): Refused | undefined {
  const { limits, requests, tokens } = account;
  let first =
    minuteRefusal(account.id, 'requestsPerMinute', limits.requestsPerMinute, requests, 1, nowMs) ??
    minuteRefusal(account.id, 'tokensPerMinute', limits.tokensPerMinute, tokens, estimate.rateTokens, nowMs);
  for (const limit of budgetLimits) {
    const refused = budgetRefusal(account, limit, estimate, nowMs);
    if (refused && isHopeless(refused)) return refused;
    first ??= refused;
  }
  return first;
}

function budgetRefusal(account: Account, limit: BudgetLimit, estimate: Estimate, nowMs: number): Refused | undefined {
  const allowed = allowedBy(account, limit);
  if (allowed === undefined) return undefined;
  const window = windowAt(account, limit.period, nowMs);
  const taken = amountOf(window.used, limit.measure) + amountOf(window.reserved, limit.measure);
  const needed = amountOf(estimate, limit.measure);
  if (taken < allowed && taken + needed <= allowed) return undefined;
  return { account: account.id, limit: limit.name, allowed, taken, needed, resetsAtMs: window.endMs };
}

/** The limits that these windows passed since the last look. */
export function findSoft(account: Account, windows: readonly Window[], softShare: number): Alert[] {
  const alerts: Alert[] = [];
  for (const window of windows) {
    for (const { name, period, measure } of budgetLimits) {
      const allowed = period === window.period ? allowedBy(account, { name, period, measure }) : undefined;
      const taken = amountOf(window.used, measure);
      if (allowed === undefined || taken < allowed * softShare || window.alerted.has(`soft ${name}`)) continue;
      window.alerted.add(`soft ${name}`);
      alerts.push({
        level: 'soft',
        account: account.id,
        limit: name,
        allowed,
        taken,
        needed: 0,
        resetsAtMs: window.endMs,
      });
    }
  }
  return alerts;
}

function minuteRefusal(
  account: string,
  limit: LimitName,
  allowed: number | null,
  minute: Minute,
  needed: number,
  nowMs: number,
): Refused | undefined {
  if (allowed === null) return undefined;
  const taken = minute.sum(nowMs);
  // A request larger than the whole limit may pass when nothing else did: else it could never be asked.
  if (taken + needed <= allowed || taken === 0) return undefined;
  return {
    account,
    limit,
    allowed,
    taken,
    needed,
    resetsAtMs: nowMs + minute.waitMs(Math.min(needed, allowed), allowed, nowMs),
  };
}
