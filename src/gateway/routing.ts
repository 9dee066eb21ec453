// Which route a request takes: by the `model` of its body alone. Pure.
import type { Route } from '../ledger/promotions.js';
import { refuse, type GatewayRequest, type GatewayResponse } from './exchange.js';

/** By name: `tickets` (production) or `tickets@staging`. Never changed, only swapped as a whole. */
export type RouteTable = ReadonlyMap<string, Route>;

export function routeTable(routes: readonly Route[]): RouteTable {
  return new Map(routes.map((route) => [route.name, route]));
}

/** The names are the hint: whoever holds the key may know them. */
export function unknownModel(request: GatewayRequest, model: string, routes: RouteTable): GatewayResponse {
  if (routes.size === 0) {
    return refuse(
      request,
      {
        status: 503,
        type: 'server_error',
        code: 'no_route',
        message: 'No model is being served yet. Start one: mlx serve MODEL',
      },
      { 'retry-after': '5' },
    );
  }
  return refuse(request, {
    status: 404,
    type: 'invalid_request_error',
    code: 'model_not_found',
    param: 'model',
    message: `The model '${model.slice(0, 100)}' is not served here. There are: ${[...routes.keys()].join(', ')}`,
  });
}
