// The gateway's core: host, then endpoint, then key, then the answer. Pure wiring; edges come in as values.
import type { Endpoint } from './endpoints.js';
import { endpoints, pathOf } from './endpoints.js';
import { compose, jsonResponse, refuse, type GatewayRequest, type Handler } from './exchange.js';
import { forwardTo } from './forward.js';
import { catchFailures } from './middleware/failures.js';
import { checkHost } from './middleware/host.js';
import type { RouteTable } from './routing.js';
import type { Stages } from './stages.js';
import type { Upstreams } from './upstreams.js';

export type Core = {
  stages: Stages;
  port: () => number;
  /** The table of this moment; swapped as a whole. */
  routes: () => RouteTable;
  upstreams: Upstreams;
};

export function createApp(core: Core): Handler {
  const pipelines = new Map(
    endpoints.map((endpoint) => [`${endpoint.method} ${endpoint.path}`, pipeline(endpoint, core)]),
  );
  const dispatch: Handler = (request) => {
    const path = pathOf(request.target);
    const handler = pipelines.get(`${request.method} ${path}`);
    return handler ? handler(request) : Promise.resolve(noSuchEndpoint(request, path));
  };
  return compose([catchFailures, checkHost(core.port)], dispatch);
}

/** The key is asked for on the endpoint that was matched, so that no spelling of a path gets around it. */
function pipeline(endpoint: Endpoint, core: Core): Handler {
  switch (endpoint.kind) {
    case 'health':
      return async () => jsonResponse(200, { status: 'ok' });
    case 'models':
      return compose([core.stages.authorize], async () => jsonResponse(200, modelList(core.routes())));
    case 'generate':
      return compose([core.stages.authorize], forwardTo(endpoint, core));
  }
}

function modelList(routes: RouteTable) {
  const models = [...routes.values()].map((route) => ({
    id: route.name,
    object: 'model',
    created: Math.floor(route.updatedAtMs / 1000),
    owned_by: 'mlx',
  }));
  return { object: 'list', data: models };
}

function noSuchEndpoint(request: GatewayRequest, path: string) {
  const allowed = endpoints.filter((endpoint) => endpoint.path === path).map((endpoint) => endpoint.method);
  const known = allowed.length > 0;
  return refuse(
    request,
    {
      status: known ? 405 : 404,
      type: 'invalid_request_error',
      code: known ? 'method_not_allowed' : 'unknown_url',
      message: known
        ? `${path} takes ${allowed.join(', ')}.`
        : `This gateway has: ${endpoints.map((endpoint) => `${endpoint.method} ${endpoint.path}`).join(', ')}.`,
    },
    known ? { allow: allowed.join(', ') } : {},
  );
}
