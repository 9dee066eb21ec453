// At the end of each request: what it cost, and its budgets settled.
import { hardwareCostUsd } from '../cost/busy-clock.js';
import { tokensCostUsd } from '../cost/price.js';
import { toNanoUsd } from './budget/account.js';
import { accountsOf } from './budget/admit.js';
import type { BudgetKeeper } from './budget/keeper.js';
import type { Usage } from './exchange.js';
import type { Finished } from './node-server.js';
import type { Pricing } from './pricing.js';
import { ticketOf, type Ticket } from './tickets.js';

export type ChargeEdges = {
  keeper: BudgetKeeper;
  pricing: () => Pricing;
  now: () => Date;
  /** Must return at once. */
  record: (charged: Charged) => void;
};

export type Charged = { finished: Finished; charge: Charge; at: Date };

export function chargeFinished({ keeper, pricing, now, record }: ChargeEdges): (finished: Finished) => void {
  return (finished) => {
    const ticket = ticketOf(finished.request.trace);
    const charge = chargeOf(finished, ticket, pricing());
    settle(keeper, finished, ticket, charge);
    record({ finished, charge, at: now() });
  };
}

export type Charge = {
  usage: Usage | undefined;
  finishReason: string | undefined;
  /** Nobody told the tokens. */
  estimated: boolean;
  costUsd: number | null;
  price: string | null;
};

function chargeOf({ request, status }: Finished, ticket: Ticket, pricing: Pricing): Charge {
  const busyMs = ticket.endBusy?.();
  const facts = status < 400 ? (ticket.facts?.() ?? {}) : {};
  const usage = facts.usage ?? (ticket.facts && status < 400 ? estimatedUsage(request, ticket) : undefined);
  const finishReason = request.trace.finishReason ?? facts.finishReason;
  const plain = { usage, finishReason, estimated: usage !== undefined && facts.usage === undefined };
  if (!usage) return { ...plain, costUsd: null, price: null };
  return { ...plain, ...costOf(request, usage, busyMs, pricing) };
}

function costOf(
  { trace }: Finished['request'],
  usage: Usage,
  busyMs: number | undefined,
  pricing: Pricing,
): Pick<Charge, 'costUsd' | 'price'> {
  const quote = pricing.quote(trace.upstream ?? '', trace.upstreamModel ?? '');
  if (quote) return { costUsd: tokensCostUsd(quote.price, usage), price: quote.text };
  if (busyMs === undefined || pricing.hardwareUsdPerHour === undefined) return { costUsd: null, price: null };
  const { hardwareUsdPerHour: usdPerHour } = pricing;
  return {
    costUsd: hardwareCostUsd(usdPerHour, busyMs),
    price: JSON.stringify({ source: 'hardware', usd_per_hour: usdPerHour }),
  };
}

/** Of an answer that broke off, or of a server that counts nothing: better than nothing, and marked as what it is. */
function estimatedUsage({ trace }: Finished['request'], ticket: Ticket): Usage {
  const noOutput = trace.operation === 'embeddings' || trace.operation === 'count_tokens';
  return {
    inputTokens: Math.ceil(ticket.bodyBytes / 4),
    outputTokens: noOutput ? 0 : (ticket.outputTokens?.() ?? 0),
    cachedInputTokens: 0,
    cacheWriteTokens: 0,
    reasoningTokens: 0,
  };
}

function settle(keeper: BudgetKeeper, { request }: Finished, ticket: Ticket, { usage, costUsd }: Charge): void {
  const { reservationId } = ticket;
  ticket.reservationId = undefined;
  // Refused or failed before a byte came: nobody charges for that.
  if (!usage) return reservationId === undefined ? undefined : keeper.release(reservationId);
  const actual = { nanoUsd: toNanoUsd(costUsd ?? 0), tokens: usage.inputTokens + usage.outputTokens };
  if (reservationId === undefined) keeper.charge(accountsOf(request.trace), actual);
  else keeper.settle(reservationId, actual);
}
