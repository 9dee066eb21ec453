// The allow-list: what clients may call, and where it goes at a model server. Everything else is 404, whatever the server offers.

export type Endpoint = {
  method: 'GET' | 'POST';
  path: string;
  kind: 'health' | 'models' | 'generate';
  /** How a stream ends when it is whole. */
  streamEnd: 'done' | 'plain';
};

export const endpoints: readonly Endpoint[] = [
  { method: 'GET', path: '/health', kind: 'health', streamEnd: 'plain' },
  { method: 'GET', path: '/v1/models', kind: 'models', streamEnd: 'plain' },
  { method: 'POST', path: '/v1/chat/completions', kind: 'generate', streamEnd: 'done' },
  { method: 'POST', path: '/v1/completions', kind: 'generate', streamEnd: 'done' },
  { method: 'POST', path: '/v1/embeddings', kind: 'generate', streamEnd: 'plain' },
  { method: 'POST', path: '/v1/responses', kind: 'generate', streamEnd: 'plain' },
];

/** `/v1/models?x=1` -> `/v1/models`; anything that is not a plain path (`http://...`, `//host`) matches no endpoint. */
export function pathOf(target: string): string {
  const query = target.indexOf('?');
  return query === -1 ? target : target.slice(0, query);
}
