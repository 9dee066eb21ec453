// At the end of each request: what it cost, its budgets settled, its row written.
import { hardwareCostUsd } from '../cost/busy-clock.js';
import { tokensCostUsd } from '../cost/price.js';
import type { TrafficRow } from '../ledger/traffic.js';
import { openAfterwards, type Afterwards } from './afterwards.js';
import { toNanoUsd } from './budget/account.js';
import { accountsOf } from './budget/admit.js';
import type { BudgetKeeper } from './budget/keeper.js';
import type { Usage } from './exchange.js';
import type { Finished } from './node-server.js';
import type { Pricing } from './pricing.js';
import { ticketOf, type Ticket } from './tickets.js';
import { trafficRow } from './traffic-row.js';

export type ChargeEdges = {
  keeper: BudgetKeeper;
  pricing: () => Pricing;
  now: () => Date;
  /** Each gets every row, and must return at once. */
  sinks: readonly ((row: TrafficRow, request: Finished['request']) => void)[];
};

/** A request that is over, and what is only known at that moment. */
type Ended = { finished: Finished; ticket: Ticket; busyMs: number | undefined; at: Date };

export function chargeFinished(edges: ChargeEdges): Afterwards<Finished> {
  const { add, flush } = openAfterwards((ended: Ended) => chargeEnded(edges, ended));
  return {
    add: (finished) => {
      const ticket = ticketOf(finished.request.trace);
      add({ finished, ticket, busyMs: ticket.endBusy?.(), at: edges.now() });
    },
    flush,
  };
}

function chargeEnded({ keeper, pricing, sinks }: ChargeEdges, { finished, ticket, busyMs, at }: Ended): void {
  const charge = chargeOf(finished, ticket, busyMs, pricing());
  settle(keeper, finished, ticket, charge);
  const row = trafficRow(finished, charge, at);
  if (row) for (const sink of sinks) sink(row, finished.request);
}

export type Charge = {
  usage: Usage | undefined;
  finishReason: string | undefined;
  /** Nobody told the tokens. */
  estimated: boolean;
  costUsd: number | null;
  price: string | null;
};

function chargeOf({ request, status }: Finished, ticket: Ticket, busyMs: number | undefined, pricing: Pricing): Charge {
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
