// One request to the model server of its route, and the answer back: bytes unchanged, at the client's pace.
import { errorCode, errorMessage } from '../errors.js';
import type { Dispatcher } from 'undici';

import type { Route } from '../ledger/promotions.js';
import type { Core } from './app.js';
import type { Endpoint } from './endpoints.js';
import { refuse, type GatewayRequest, type GatewayResponse, type Handler } from './exchange.js';
import { relayEvents, relayPlain, type Chunks } from './relay.js';
import { upstreamError } from './upstream-error.js';
import { bodyForServer, parseModelRequest, unknownModel, type ModelRequest } from './routing.js';

const bodyLimitBytes = 32 * 1024 * 1024;

/** Codes of a connection that was never made: nothing was sent, so another server may be asked. */
const connectCodes = new Set([
  'ECONNREFUSED',
  'ENOENT',
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_DESTROYED',
  'UND_ERR_CLOSED',
]);

export function forwardTo(endpoint: Endpoint, core: Core): Handler {
  return async (request) => {
    const body = await request.readBody(bodyLimitBytes);
    if (body === 'too_large') return tooLarge();
    const parsed = parseModelRequest(body);
    if ('status' in parsed) return parsed;
    return ask(endpoint, core, request, parsed, body);
  };
}

/** A switch may take a server away between the reading of its route and the connection: then the new route is asked, once. */
async function ask(
  endpoint: Endpoint,
  core: Core,
  request: GatewayRequest,
  parsed: ModelRequest,
  body: Buffer,
): Promise<GatewayResponse> {
  const route = core.routes().get(parsed.model);
  if (!route) return unknownModel(parsed.model, core.routes());
  const first = await attempt(endpoint, core, request, route, bodyForServer(body, parsed, route));
  if (!('failure' in first)) return first;
  const moved = core.routes().get(parsed.model);
  if (!first.neverConnected || !moved || moved.serverId === route.serverId) return badGateway(request, route, first);
  const second = await attempt(endpoint, core, request, moved, bodyForServer(body, parsed, moved));
  return 'failure' in second ? badGateway(request, moved, second) : second;
}

type Failure = { failure: string; neverConnected: boolean };

async function attempt(
  endpoint: Endpoint,
  core: Core,
  request: GatewayRequest,
  route: Route,
  body: Buffer,
): Promise<GatewayResponse | Failure> {
  const version = `${route.model}:${route.version}`;
  request.trace.route = route.name;
  request.trace.version = version;
  const lease = core.upstreams.lease(route);
  try {
    const answer = await lease.dispatcher.request({
      path: endpoint.path,
      method: 'POST',
      headers: upstreamHeaders(request),
      body,
      signal: request.signal,
    });
    // Also when the client went away, or nobody ever read the body.
    answer.body.once('close', lease.release);
    return await answerOf(endpoint, request, answer, version);
  } catch (error) {
    lease.release();
    const code = errorCode(error);
    return { failure: code ?? errorMessage(error), neverConnected: code !== undefined && connectCodes.has(code) };
  }
}

/** The first bytes are waited for: until then a failure can still be told by the status. Errors are short and read whole. */
async function answerOf(
  endpoint: Endpoint,
  request: GatewayRequest,
  answer: Dispatcher.ResponseData,
  version: string,
): Promise<GatewayResponse> {
  if (answer.statusCode >= 400) return errorOf(endpoint, request, answer, version);
  const iterator: AsyncIterator<Uint8Array> = answer.body[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
  const chunks: Chunks = { first: await iterator.next(), rest: iterator };
  const contentType = String(answer.headers['content-type'] ?? 'application/json');
  const headers = clientHeaders(answer.headers, contentType, request.id, version);
  const streamed = contentType.startsWith('text/event-stream');
  const body = streamed ? relayEvents(chunks, endpoint, request) : relayPlain(chunks);
  return { status: answer.statusCode, headers, body };
}

async function errorOf(
  endpoint: Endpoint,
  request: GatewayRequest,
  answer: Dispatcher.ResponseData,
  version: string,
): Promise<GatewayResponse> {
  const body = upstreamError(await answer.body.text(), answer.statusCode, endpoint.path);
  const headers = clientHeaders(answer.headers, 'application/json', request.id, version);
  delete headers['content-length'];
  return { status: answer.statusCode, headers, body };
}

/** Built from nothing: what a client sends besides its body is not the server's business, its key least of all. */
function upstreamHeaders(request: GatewayRequest): Record<string, string> {
  const accept = request.headers['accept'];
  return {
    'content-type': 'application/json',
    accept: typeof accept === 'string' ? accept : '*/*',
    'x-request-id': request.id,
  };
}

/** Allow-listed too. The length is kept, so that a client notices an answer that is not whole. */
function clientHeaders(
  sent: Dispatcher.ResponseData['headers'],
  contentType: string,
  id: string,
  version: string,
): Record<string, string> {
  const headers: Record<string, string> = { 'content-type': contentType, 'x-request-id': id, 'x-mlx-version': version };
  for (const name of ['content-length', 'retry-after', 'cache-control']) {
    const value = sent[name];
    if (typeof value === 'string') headers[name] = value;
  }
  return headers;
}

function badGateway(request: GatewayRequest, route: Route, { failure, neverConnected }: Failure): GatewayResponse {
  request.trace.failure = failure;
  return refuse({
    status: 502,
    type: 'server_error',
    code: 'upstream_failed',
    message: neverConnected
      ? `The model server of ${route.name} does not run. Start it again: mlx serve ${route.name}`
      : `The model server of ${route.name} broke off before its answer. Its log: mlx logs ${route.serverId}`,
  });
}

function tooLarge(): GatewayResponse {
  const limit = `${bodyLimitBytes / 1024 / 1024} MiB`;
  const message = `The body is larger than ${limit}.`;
  return refuse(
    { status: 413, type: 'invalid_request_error', code: 'body_too_large', message },
    { connection: 'close' },
  );
}
