// The names that a client may send as "model", in the list of its own dialect.
import { pathOf } from './endpoints.js';
import { jsonResponse, refuse, type Dialect, type GatewayRequest, type GatewayResponse } from './exchange.js';
import type { Routing } from './routing.js';

type Named = { name: string; updatedAtMs: number };

export function listModels(request: GatewayRequest, { routes }: Routing): GatewayResponse {
  const dialect = request.trace.dialect ?? 'openai';
  const models = [...routes.values()].map((route) => modelOf(route, dialect));
  if (dialect === 'openai') return jsonResponse(200, { object: 'list', data: models });
  const ids = [...routes.keys()];
  return jsonResponse(200, { data: models, has_more: false, first_id: ids[0] ?? null, last_id: ids.at(-1) ?? null });
}

/** `/v1/models/NAME`; a name may hold slashes. */
export function showModel(request: GatewayRequest, { routes }: Routing): GatewayResponse {
  const name = decoded(pathOf(request.target).slice('/v1/models/'.length));
  const route = routes.get(name);
  if (route) return jsonResponse(200, modelOf(route, request.trace.dialect ?? 'openai'));
  return refuse(request, {
    status: 404,
    type: 'invalid_request_error',
    code: 'model_not_found',
    param: 'model',
    message: `The model '${name.slice(0, 100)}' is not served here.`,
  });
}

function modelOf({ name, updatedAtMs }: Named, dialect: Dialect): object {
  if (dialect === 'anthropic') {
    return { type: 'model', id: name, display_name: name, created_at: new Date(updatedAtMs).toISOString() };
  }
  return { id: name, object: 'model', created: Math.floor(updatedAtMs / 1000), owned_by: 'mlx' };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
