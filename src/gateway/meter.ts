// Measures each request: watches the bytes of its answer for what they cost, and at its end settles its budgets and writes its
// row. Off the hot path: until the end nothing is parsed.
import { hardwareCostUsd, openBusyClock } from '../cost/busy-clock.js';
import { tokensCostUsd } from '../cost/price.js';
import type { TrafficRow } from '../ledger/traffic.js';
import type { BudgetKeeper } from './budget/keeper.js';
import { toNanoUsd } from './budget/account.js';
import { accountsOf } from './budget/admit.js';
import type { GatewayRequest, Usage } from './exchange.js';
import type { Finished } from './node-server.js';
import type { Pricing } from './pricing.js';
import type { Metered, Outgoing, Passage, Stages } from './stages.js';
import { ticketOf, type Ticket } from './tickets.js';
import { trafficRow } from './traffic-row.js';
import { readAnswer, type AnswerFacts } from './usage/answer.js';
import { isFields } from './usage/counts.js';
import { tapStream } from './usage/stream.js';

export type Meter = { stage: Stages['meter']; finish: (finished: Finished) => void };

export type MeterEdges = {
  keeper: BudgetKeeper;
  pricing: () => Pricing;
  now: () => Date;
  /** Each gets every row, and must return at once. */
  sinks: readonly ((row: TrafficRow, request: GatewayRequest) => void)[];
};

export function openMeter(edges: MeterEdges): Meter {
  const busy = openBusyClock();
  return {
    stage: (request, outgoing) => {
      const ticket = ticketOf(request.trace);
      ticket.endBusy?.();
      ticket.endBusy = undefined;
      if (outgoing.local && edges.pricing().hardwareUsdPerHour !== undefined) {
        const end = busy.begin(request.trace.digest ?? outgoing.upstreamModel, performance.now());
        ticket.endBusy = () => end(performance.now());
      }
      return metered(ticket, outgoing);
    },
    finish: (finished) => {
      const ticket = ticketOf(finished.request.trace);
      const charge = chargeOf(finished, ticket, edges.pricing());
      settle(edges.keeper, finished, ticket, charge);
      const row = trafficRow(finished, charge, edges.now());
      if (row) for (const sink of edges.sinks) sink(row, finished.request);
    },
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

function metered(ticket: Ticket, outgoing: Outgoing): Metered {
  const askForUsage = needsUsageAsked(outgoing);
  const passage: Metered['passage'] = ({ streamed }) => {
    const tap = streamed ? tapStream(askForUsage && !outgoing.translated) : tapWhole();
    ticket.facts = tap.facts;
    ticket.outputTokens = tap.events;
    return tap;
  };
  return askForUsage ? { passage, fields: withUsageAsked(outgoing.fields) } : { passage };
}

/** OpenAI's streams tell the tokens only to who asks. */
function needsUsageAsked({ dialect, operation, stream, fields }: Outgoing): boolean {
  if (!stream || dialect !== 'openai' || (operation !== 'chat' && operation !== 'completions')) return false;
  const options = fields['stream_options'];
  return !(isFields(options) && options['include_usage'] === true);
}

function withUsageAsked(fields: Outgoing['fields']): Record<string, unknown> {
  const options = fields['stream_options'];
  return { ...fields, stream_options: { ...(isFields(options) ? options : {}), include_usage: true } };
}

function tapWhole(): Passage & { facts: () => AnswerFacts; events: () => number } {
  let facts: AnswerFacts = {};
  let bytesSeen = 0;
  return {
    push: (bytes) => {
      bytesSeen += bytes.length;
      facts = readAnswer(bytes);
      return bytes;
    },
    end: () => Buffer.alloc(0),
    facts: () => facts,
    events: () => Math.ceil(bytesSeen / 4),
  };
}

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
  { trace }: GatewayRequest,
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
function estimatedUsage({ trace }: GatewayRequest, ticket: Ticket): Usage {
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
