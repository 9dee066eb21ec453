// A request as the parts of the gateway see it, and what they answer with, for tests that need no server.
import { openDeparture } from '../../../src/gateway/departure.js';
import type { GatewayRequest, GatewayResponse, Operation } from '../../../src/gateway/exchange.js';
import type { Question } from '../../../src/gateway/question.js';

export function requestOf(operation: Operation = 'chat'): GatewayRequest {
  const dialect = operation === 'messages' || operation === 'count_tokens' ? 'anthropic' : 'openai';
  return {
    id: 'request-1',
    method: 'POST',
    target: '/',
    headers: {},
    hostHeaders: 1,
    readBody: async () => Buffer.alloc(0),
    departure: openDeparture(),
    whenOver: () => undefined,
    trace: { dialect, operation, attempts: [] },
  };
}

export function questionOf(fields: Record<string, unknown>, operation: Operation = 'chat'): Question {
  const { dialect = 'openai' } = requestOf(operation).trace;
  const model = typeof fields['model'] === 'string' ? fields['model'] : 'tickets';
  const body = Buffer.from(JSON.stringify(fields));
  return { dialect, operation, model, stream: fields['stream'] === true, fields, body };
}

export function bodyOf(response: GatewayResponse): unknown {
  if (typeof response.body !== 'string') throw new Error('The answer is no text.');
  return JSON.parse(response.body);
}
