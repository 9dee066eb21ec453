// The allow-list: what clients may call, and where it goes at a model server. Everything else is 404, whatever the server offers.
import type { Dialect, GatewayRequest, Operation } from './exchange.js';

export type Endpoint = {
  method: 'GET' | 'POST';
  path: string;
} & ({ kind: 'health' | 'models' | 'metrics' } | { kind: 'generate'; dialect: Dialect; operation: Operation });

export type GenerateEndpoint = Extract<Endpoint, { kind: 'generate' }>;

export const endpoints: readonly Endpoint[] = [
  { method: 'GET', path: '/health', kind: 'health' },
  { method: 'GET', path: '/metrics', kind: 'metrics' },
  { method: 'GET', path: '/v1/models', kind: 'models' },
  generate('/v1/chat/completions', 'openai', 'chat'),
  generate('/v1/completions', 'openai', 'completions'),
  generate('/v1/embeddings', 'openai', 'embeddings'),
  generate('/v1/responses', 'openai', 'responses'),
  generate('/v1/messages', 'anthropic', 'messages'),
  generate('/v1/messages/count_tokens', 'anthropic', 'count_tokens'),
];

/** Before the endpoint is known: a refusal has to speak some dialect. Anthropic's clients always send their version. */
export function dialectOf(target: string, headers: GatewayRequest['headers']): Dialect {
  return headers['anthropic-version'] !== undefined || target.startsWith('/v1/messages') ? 'anthropic' : 'openai';
}

/** `/v1/models?x=1` -> `/v1/models`; anything that is not a plain path (`http://...`, `//host`) matches no endpoint. */
export function pathOf(target: string): string {
  const query = target.indexOf('?');
  return query === -1 ? target : target.slice(0, query);
}

function generate(path: string, dialect: Dialect, operation: Operation): GenerateEndpoint {
  return { method: 'POST', path, kind: 'generate', dialect, operation };
}
