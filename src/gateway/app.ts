// The gateway's core: host, then endpoint, then key, then the answer. Pure wiring; edges come in as values.
import type { Breakers } from './breakers.js';
import type { Clock } from './clock.js';
import { endpoints, pathOf, type Endpoint } from './endpoints.js';
import {
  compose,
  jsonResponse,
  refuse,
  type GatewayRequest,
  type GatewayResponse,
  type Handler,
  type Middleware,
} from './exchange.js';
import { forwardTo } from './forward.js';
import { catchFailures } from './middleware/failures.js';
import { checkHost } from './middleware/host.js';
import { ownerOnly } from './middleware/owner.js';
import { listModels, showModel } from './models.js';
import type { GoneServers } from './gone-servers.js';
import type { Finished } from './node-server.js';
import type { Holds } from './holds.js';
import type { RetryBudget } from './retry.js';
import type { Routing } from './routing.js';
import type { Shadows } from './shadow.js';
import type { Stages } from './stages.js';
import type { Upstreams } from './upstreams.js';

export type Core = {
  stages: Stages;
  /** In the text format of Prometheus. */
  metrics: () => Promise<string>;
  port: () => number;
  /** Every route of this moment; swapped as a whole. */
  routing: () => Routing;
  upstreams: Upstreams;
  breakers: Breakers;
  gone: GoneServers;
  retries: RetryBudget;
  shadows: Shadows;
  /** What became of a copy that went to a shadow. */
  onShadow: (finished: Finished) => void;
  admission: Middleware;
  holds: Holds;
  clock: Clock;
  /** From 0 up to 1. */
  random: () => number;
};

export function createApp(core: Core): Handler {
  const pipelines = new Map(
    endpoints.map((endpoint) => [`${endpoint.method} ${endpoint.path}`, pipeline(endpoint, core)]),
  );
  const oneModel = compose([core.stages.authorize], async (request) => showModel(request, core.routing()));
  const dispatch: Handler = (request) => {
    const path = pathOf(request.target);
    const handler = pipelines.get(`${request.method} ${path}`);
    if (handler) return handler(request);
    if (request.method === 'GET' && path.startsWith('/v1/models/')) return oneModel(request);
    return Promise.resolve(noSuchEndpoint(request, path));
  };
  return compose([catchFailures, checkHost(core.port)], dispatch);
}

/** The key is asked for on the endpoint that was matched, so that no spelling of a path gets around it. */
function pipeline(endpoint: Endpoint, core: Core): Handler {
  const { authorize } = core.stages;
  switch (endpoint.kind) {
    case 'health':
      return async () => jsonResponse(200, { status: 'ok' });
    case 'metrics':
      return compose([core.stages.authorize, ownerOnly], async () => metricsResponse(await core.metrics()));
    case 'models':
      return compose([authorize], async (request) => listModels(request, core.routing()));
    case 'generate':
      return compose([authorize, core.admission], forwardTo(endpoint, core));
  }
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

function metricsResponse(text: string): GatewayResponse {
  return { status: 200, headers: { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' }, body: text };
}
