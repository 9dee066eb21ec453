// The edge to Node's HTTP server: its requests into the core's, the core's answers onto its sockets, at the client's pace.
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';

import { v7 as uuidv7 } from 'uuid';

import { errorMessage } from '../errors.js';
import { dialectOf } from './endpoints.js';
import type { GatewayRequest, GatewayResponse, Handler } from './exchange.js';

/** What became of one request; nothing of what was asked or answered. */
export type Finished = {
  request: Pick<GatewayRequest, 'id' | 'method' | 'target' | 'trace'>;
  status: number;
  durationMs: number;
  /** `gone`: the client left. `broken`: torn down, because the answer broke off. */
  end: 'complete' | 'gone' | 'broken';
};

const discardFactor = 4;

export function serveHandler(handler: Handler, onFinished: (finished: Finished) => void): Server {
  const server = createServer((incoming, outgoing) => void answer(handler, incoming, outgoing, onFinished));
  // Longer than what clients keep an idle connection: else they meet one that is just being closed.
  server.keepAliveTimeout = 75_000;
  return server;
}

async function answer(
  handler: Handler,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  onFinished: (finished: Finished) => void,
): Promise<void> {
  const startedMs = performance.now();
  const gone = new AbortController();
  outgoing.once('close', () => {
    if (!outgoing.writableFinished) gone.abort();
  });
  const over: (() => void)[] = [];
  const request = toGatewayRequest(incoming, gone.signal, (run) => void over.push(run));
  const response = await handler(request);
  const end = await writeResponse(response, outgoing, request);
  for (const run of over) run();
  onFinished({ request, status: response.status, durationMs: performance.now() - startedMs, end });
}

function toGatewayRequest(
  incoming: IncomingMessage,
  signal: AbortSignal,
  whenOver: GatewayRequest['whenOver'],
): GatewayRequest {
  const target = incoming.url ?? '';
  return {
    // By time (RFC 9562, version 7): an index over them grows at its end, not all over the file.
    id: `req_${uuidv7()}`,
    method: incoming.method ?? '',
    target,
    headers: incoming.headers,
    hostHeaders: incoming.rawHeaders.filter((name, index) => index % 2 === 0 && name.toLowerCase() === 'host').length,
    readBody: (limitBytes) => readBody(incoming, limitBytes),
    signal,
    whenOver,
    trace: { dialect: dialectOf(target, incoming.headers), attempts: [] },
  };
}

/** A body that is too large is read on for a while and thrown away: a client that is still sending would not see the refusal. */
async function readBody(incoming: IncomingMessage, limitBytes: number): Promise<Buffer | 'too_large'> {
  const discardBytes = limitBytes * discardFactor;
  if (Number(incoming.headers['content-length'] ?? 0) > discardBytes) return 'too_large';
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of incoming.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > discardBytes) return 'too_large';
    if (size > limitBytes) chunks.length = 0;
    else chunks.push(chunk);
  }
  if (size > limitBytes) return 'too_large';
  return chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks);
}

async function writeResponse(
  response: GatewayResponse,
  outgoing: ServerResponse,
  request: GatewayRequest,
): Promise<Finished['end']> {
  if (request.signal.aborted) return 'gone';
  if (typeof response.body === 'string' || response.body instanceof Uint8Array) {
    outgoing.writeHead(response.status, { ...response.headers, 'content-length': Buffer.byteLength(response.body) });
    outgoing.end(response.body);
    return 'complete';
  }
  outgoing.writeHead(response.status, response.headers);
  try {
    for await (const chunk of response.body) {
      if (!outgoing.write(chunk)) await once(outgoing, 'drain', { signal: request.signal });
    }
    outgoing.end();
    return request.trace.failure === undefined ? 'complete' : 'broken';
  } catch (error) {
    if (request.signal.aborted) return 'gone';
    request.trace.failure = errorMessage(error);
    outgoing.destroy();
    return 'broken';
  }
}
