// What the stages of one request remember for its end: the promise of its budgets, and where its answer was watched.
import type { Taken } from './capture/tap.js';
import type { Trace } from './exchange.js';
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
  /** What is said, where the route captures it. */
  taken: Taken | undefined;
};

/** On the trace, which a copy for a shadow has of its own; a WeakMap by request makes every garbage collection dearer. */
export function ticketOf(trace: Trace): Ticket {
  return (trace.ticket ??= {
    ...{ reservationId: undefined, bodyBytes: 0, facts: undefined },
    ...{ outputTokens: undefined, endBusy: undefined, taken: undefined },
  });
}
