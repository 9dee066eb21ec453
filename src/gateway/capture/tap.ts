// Watches an answer on its way to the client where the route captures: references to what passes anyway, nothing read or copied.
import type { GatewayRequest, GatewayResponse, Operation } from '../exchange.js';
import { drawOf } from '../plan.js';
import type { Question } from '../question.js';
import { servedId } from '../shadow.js';
import { ticketOf } from '../tickets.js';

/** What people and models say to each other; embeddings and counts of tokens are none of it. */
export type Conversing = Extract<Operation, 'chat' | 'completions' | 'responses' | 'messages'>;

export type Taken = {
  operation: Conversing;
  question: Question;
  streamed: boolean;
  parts: Uint8Array[];
  bytes: number;
};

/** A longer question or answer is no row that somebody learns from, and memory is bounded. */
export const takenLimitBytes = 4 * 1024 * 1024;

/** A shadow's answer is captured when that of its request is, so that the two can be compared. */
export function tapAnswer(
  request: GatewayRequest,
  question: Question,
  response: GatewayResponse,
  percent: number,
): GatewayResponse {
  const { operation } = question;
  if (response.status !== 200 || !isConversing(operation)) return response;
  if (percent < 100 && drawOf(servedId(request.id)) >= percent) return response;
  const { body } = response;
  const taken: Taken = { operation, question, streamed: false, parts: [], bytes: question.body.length };
  ticketOf(request.trace).taken = taken;
  if (typeof body === 'string' || body instanceof Uint8Array) {
    take(taken, typeof body === 'string' ? Buffer.from(body) : body);
    return response;
  }
  taken.streamed = String(response.headers['content-type']).startsWith('text/event-stream');
  return { ...response, body: watched(body, taken) };
}

async function* watched(body: AsyncIterable<Uint8Array>, taken: Taken): AsyncGenerator<Uint8Array> {
  for await (const part of body) {
    take(taken, part);
    yield part;
  }
}

function take(taken: Taken, part: Uint8Array): void {
  taken.bytes += part.length;
  if (taken.bytes <= takenLimitBytes) taken.parts.push(part);
  else taken.parts.length = 0;
}

function isConversing(operation: Operation): operation is Conversing {
  return operation !== 'embeddings' && operation !== 'count_tokens';
}
