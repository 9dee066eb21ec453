// Watches the bytes of each answer for what they cost. Off the hot path: until the end nothing is parsed.
import type { GatewayRequest } from './exchange.js';
import type { Pricing } from './pricing.js';
import type { Metered, Outgoing, Passage, Stages } from './stages.js';
import { ticketOf, type Ticket } from './tickets.js';
import { readAnswer, type AnswerFacts } from './usage/answer.js';
import { isFields } from './usage/counts.js';
import { tapStream } from './usage/stream.js';

export type MeterEdges = {
  pricing: () => Pricing;
  /** A request uses a machine of one's own from now on. @returns what ends it: its share of the time, in milliseconds */
  beginBusy: (request: Pick<GatewayRequest, 'id'>, server: string) => () => number;
};

export function meterStage({ pricing, beginBusy }: MeterEdges): Stages['meter'] {
  return (request, outgoing) => {
    const ticket = ticketOf(request.trace);
    ticket.endBusy?.();
    ticket.endBusy = undefined;
    if (outgoing.local && pricing().hardwareUsdPerHour !== undefined) {
      ticket.endBusy = beginBusy(request, request.trace.digest ?? outgoing.upstreamModel);
    }
    return metered(ticket, outgoing);
  };
}

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

const nothing = Buffer.alloc(0);

/** Read when the client has its answer already. */
function tapWhole(): Passage & { facts: () => AnswerFacts; events: () => number } {
  let seen: Buffer = nothing;
  return {
    push: (bytes) => (seen = bytes),
    end: () => nothing,
    facts: () => readAnswer(seen),
    events: () => Math.ceil(seen.length / 4),
  };
}
