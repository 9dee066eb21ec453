// One request to the model server of its route, and the answer back: bytes unchanged, at the client's pace.
import { errorCode, errorMessage } from '../errors.js';
import type { Dispatcher } from 'undici';

import type { Route } from '../ledger/promotions.js';
import type { Core } from './app.js';
import type { GenerateEndpoint } from './endpoints.js';
import { refuse, type GatewayRequest, type GatewayResponse, type Handler } from './exchange.js';
import { isResponse, parseQuestion, type Question } from './question.js';
import { finish, pass, relayEvents, relayPlain, type Chunks } from './relay.js';
import { unknownModel } from './routing.js';
import type { Metered, Outgoing, Passage } from './stages.js';
import { upstreamError } from './upstream-error.js';

const bodyLimitBytes = 32 * 1024 * 1024;

/** Codes of a connection that was never made: nothing was sent, so another server may be asked. */
const connectCodes = new Set([
  'ECONNREFUSED',
  'ENOENT',
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_DESTROYED',
  'UND_ERR_CLOSED',
]);

export function forwardTo(endpoint: GenerateEndpoint, core: Core): Handler {
  return async (request) => {
    request.trace.dialect = endpoint.dialect;
    request.trace.operation = endpoint.operation;
    const body = await request.readBody(bodyLimitBytes);
    if (body === 'too_large') return tooLarge(request);
    const asked = parseQuestion(request, endpoint, body);
    if (isResponse(asked)) return asked;
    request.trace.stream = asked.stream;
    const question = await core.stages.expand(request, asked);
    if (isResponse(question)) return question;
    return (await core.stages.admit(request, question)) ?? ask(endpoint, core, request, question);
  };
}

/** A switch may take a server away between the reading of its route and the connection: then the new route is asked, once. */
async function ask(
  endpoint: GenerateEndpoint,
  core: Core,
  request: GatewayRequest,
  question: Question,
): Promise<GatewayResponse> {
  const route = core.routes().get(question.model);
  if (!route) return unknownModel(request, question.model, core.routes());
  const first = await attempt(endpoint, core, request, route, question);
  if (!('failure' in first)) return first;
  const moved = core.routes().get(question.model);
  if (!first.neverConnected || !moved || moved.serverId === route.serverId) return badGateway(request, route, first);
  const second = await attempt(endpoint, core, request, moved, question);
  return 'failure' in second ? badGateway(request, moved, second) : second;
}

type Failure = { failure: string; neverConnected: boolean };

async function attempt(
  endpoint: GenerateEndpoint,
  core: Core,
  request: GatewayRequest,
  route: Route,
  question: Question,
): Promise<GatewayResponse | Failure> {
  Object.assign(request.trace, { route: route.name, upstream: 'local', upstreamModel: route.model });
  Object.assign(request.trace, { version: `${route.model}:${route.version}`, digest: route.digest });
  const metered = core.stages.meter(request, outgoingTo(endpoint, route, question));
  const record = attemptRecorder(request, route.model);
  const lease = core.upstreams.lease(route);
  try {
    const answer = await lease.dispatcher.request({
      path: endpoint.path,
      method: 'POST',
      headers: upstreamHeaders(request),
      body: bodyFor(question, route, metered),
      signal: request.signal,
    });
    // Also when the client went away, or nobody ever read the body.
    answer.body.once('close', lease.release);
    const response = await answerOf(endpoint, request, answer, metered);
    record(answer.statusCode, answer.statusCode >= 400 ? 'refused' : null);
    return response;
  } catch (error) {
    lease.release();
    const code = errorCode(error);
    const neverConnected = code !== undefined && connectCodes.has(code);
    record(null, neverConnected ? 'connect_failed' : 'broken');
    return { failure: code ?? errorMessage(error), neverConnected };
  }
}

function outgoingTo({ dialect, operation }: GenerateEndpoint, route: Route, { fields, stream }: Question): Outgoing {
  const target = { upstream: 'local', upstreamModel: route.model, local: true };
  return { dialect, operation, ...target, stream, translated: false, fields };
}

function attemptRecorder({ trace }: GatewayRequest, model: string) {
  const startedMs = performance.now();
  return (status: number | null, errorClass: string | null): void => {
    trace.attempts.push({ upstream: 'local', model, status, errorClass, durationMs: performance.now() - startedMs });
  };
}

/** A model server answers to the model's name alone; a body that says so already goes on byte for byte. */
function bodyFor(question: Question, route: Route, metered: Metered | undefined): Buffer {
  if (metered?.fields === undefined && question.model === route.model) return question.body;
  return Buffer.from(JSON.stringify({ ...(metered?.fields ?? question.fields), model: route.model }));
}

/** The first bytes are waited for: until then a failure can still be told by the status. Errors are short and read whole. */
async function answerOf(
  endpoint: GenerateEndpoint,
  request: GatewayRequest,
  answer: Dispatcher.ResponseData,
  metered: Metered | undefined,
): Promise<GatewayResponse> {
  if (answer.statusCode >= 400) return errorOf(endpoint, request, answer);
  const iterator: AsyncIterator<Uint8Array> = answer.body[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
  const chunks: Chunks = { first: await iterator.next(), rest: iterator };
  const contentType = String(answer.headers['content-type'] ?? 'application/json');
  const streamed = contentType.startsWith('text/event-stream');
  const { dialect, operation } = endpoint;
  const shape = { status: answer.statusCode, dialect, operation, streamed };
  const passages = metered ? [metered.passage(shape)] : [];
  const headers = clientHeaders(answer.headers, contentType, request);
  const body = streamed
    ? relayEvents(chunks, operation, passages, request)
    : passages.length > 0
      ? await wholeBody(chunks, passages)
      : relayPlain(chunks);
  if (body instanceof Uint8Array) delete headers['content-length'];
  return { status: answer.statusCode, headers, body };
}

async function wholeBody(chunks: Chunks, passages: readonly Passage[]): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of relayPlain(chunks)) parts.push(part);
  return Buffer.concat([pass(Buffer.concat(parts), passages), finish(passages)]);
}

async function errorOf(
  endpoint: GenerateEndpoint,
  request: GatewayRequest,
  answer: Dispatcher.ResponseData,
): Promise<GatewayResponse> {
  const body = upstreamError(await answer.body.text(), answer.statusCode, endpoint.path);
  const headers = clientHeaders(answer.headers, 'application/json', request);
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
  request: GatewayRequest,
): Record<string, string> {
  const headers: Record<string, string> = { 'content-type': contentType, 'x-request-id': request.id };
  if (request.trace.version !== undefined) headers['x-mlx-version'] = request.trace.version;
  for (const name of ['content-length', 'retry-after', 'cache-control']) {
    const value = sent[name];
    if (typeof value === 'string') headers[name] = value;
  }
  return headers;
}

function badGateway(request: GatewayRequest, route: Route, { failure, neverConnected }: Failure): GatewayResponse {
  request.trace.failure = failure;
  request.trace.errorClass = neverConnected ? 'connect_failed' : 'broken';
  return refuse(request, {
    status: 502,
    type: 'server_error',
    code: 'upstream_failed',
    message: neverConnected
      ? `The model server of ${route.name} does not run. Start it again: mlx serve ${route.name}`
      : `The model server of ${route.name} broke off before its answer. Its log: mlx logs ${route.serverId}`,
  });
}

function tooLarge(request: GatewayRequest): GatewayResponse {
  const limit = `${bodyLimitBytes / 1024 / 1024} MiB`;
  const message = `The body is larger than ${limit}.`;
  return refuse(
    request,
    { status: 413, type: 'invalid_request_error', code: 'body_too_large', message },
    { connection: 'close' },
  );
}
