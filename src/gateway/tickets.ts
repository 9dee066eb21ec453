// What the stages of one request remember for its end: the promise of its budgets, and where its answer was watched.
import type { GatewayRequest } from './exchange.js';
import type { AnswerFacts } from './usage/answer.js';

export type Ticket = {
  /** undefined: no budget was asked. */
  reservationId: number | undefined;
  /** Of the request, for an estimate when nobody tells the tokens. */
  bodyBytes: number;
  /** Of the attempt that was answered. */
  facts: (() => AnswerFacts) | undefined;
  /** Tokens that came so far, about. */
  outputTokens: (() => number) | undefined;
  /** Ends the use of an own machine: what was used of it, in milliseconds. */
  endBusy: (() => number) | undefined;
};

/** Forgotten together with the request. */
export type Tickets = WeakMap<GatewayRequest, Ticket>;

export function ticketOf(tickets: Tickets, request: GatewayRequest): Ticket {
  const known = tickets.get(request);
  if (known) return known;
  const ticket = {
    reservationId: undefined,
    bodyBytes: 0,
    facts: undefined,
    outputTokens: undefined,
    endBusy: undefined,
  };
  tickets.set(request, ticket);
  return ticket;
}
