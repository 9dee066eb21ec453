// Which route a request takes: by the `model` of its body alone. Pure.
import type { Route } from '../ledger/promotions.js';
import { refuse, type GatewayResponse } from './exchange.js';

/** By name: `tickets` (production) or `tickets@staging`. Never changed, only swapped as a whole. */
export type RouteTable = ReadonlyMap<string, Route>;

export type ModelRequest = { fields: Record<string, unknown>; model: string };

export function routeTable(routes: readonly Route[]): RouteTable {
  return new Map(routes.map((route) => [route.name, route]));
}

/** @returns the refusal when the body is no JSON object that names a model */
export function parseModelRequest(body: Buffer): ModelRequest | GatewayResponse {
  const fields = parseObject(body);
  if (fields === undefined) return invalid('invalid_json', 'The body is not a JSON object.');
  const model = fields['model'];
  if (typeof model !== 'string' || model === '') {
    return invalid('invalid_type', '"model" must be the name of a model, as text.', 'model');
  }
  return { fields, model };
}

/** A model server answers to the model's name alone; a body that says so already goes on byte for byte. */
export function bodyForServer(body: Buffer, request: ModelRequest, route: Route): Buffer {
  if (request.model === route.model) return body;
  return Buffer.from(JSON.stringify({ ...request.fields, model: route.model }));
}

/** The names are the hint: whoever holds the key may know them. */
export function unknownModel(model: string, routes: RouteTable): GatewayResponse {
  if (routes.size === 0) {
    return refuse(
      {
        status: 503,
        type: 'server_error',
        code: 'no_route',
        message: 'No model is being served yet. Start one: mlx serve MODEL',
      },
      { 'retry-after': '5' },
    );
  }
  return refuse({
    status: 404,
    type: 'invalid_request_error',
    code: 'model_not_found',
    param: 'model',
    message: `The model '${model.slice(0, 100)}' is not served here. There are: ${[...routes.keys()].join(', ')}`,
  });
}

function invalid(code: string, message: string, param?: string): GatewayResponse {
  return refuse({
    status: 400,
    type: 'invalid_request_error',
    code,
    message,
    ...(param === undefined ? {} : { param }),
  });
}

function parseObject(body: Buffer): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(body.toString('utf8'));
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}
