// The edge to Node's HTTP server: its requests into the core's, the core's answers onto its sockets, at the client's pace.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';

import { errorMessage } from '../errors.js';
import { openDeparture, type Departure } from './departure.js';
import { dialectOf } from './endpoints.js';
import type { GatewayRequest, GatewayResponse, Handler } from './exchange.js';
import { newRequestId } from './request-id.js';

/** What became of one request; nothing of what was asked or answered. */
export type Finished = {
  request: Pick<GatewayRequest, 'id' | 'method' | 'target' | 'trace'>;
  status: number;
  durationMs: number;
  /** `gone`: the client left. `broken`: torn down, because the answer broke off. */
  end: 'complete' | 'gone' | 'broken';
};

const discardFactor = 4;

export type Serving = {
  server: Server;
  /** Resolves when nobody is to be told of any request any more: it is over a moment after its connection is. */
  allFinished: () => Promise<void>;
};

export function serveHandler(handler: Handler, onFinished: (finished: Finished) => void): Serving {
  let open = 0;
  let onNone = (): void => undefined;
  const finish = (finished: Finished): void => {
    onFinished(finished);
    open -= 1;
    if (open === 0) onNone();
  };
  const server = createServer((incoming, outgoing) => {
    open += 1;
    void answer(handler, incoming, outgoing, finish);
  });
  // Longer than what clients keep an idle connection: else they meet one that is just being closed.
  server.keepAliveTimeout = 75_000;
  return {
    server,
    allFinished: () => (open === 0 ? Promise.resolve() : new Promise((resolve) => (onNone = resolve))),
  };
}

async function answer(
  handler: Handler,
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  onFinished: (finished: Finished) => void,
): Promise<void> {
  const startedMs = performance.now();
  const departure = openDeparture();
  outgoing.on('close', () => {
    if (!outgoing.writableFinished) departure.leave();
  });
  const over: (() => void)[] = [];
  const request = toGatewayRequest(incoming, departure, (run) => void over.push(run));
  const response = await handler(request);
  const end = await writeResponse(response, outgoing, request);
  for (const run of over) run();
  onFinished({ request, status: response.status, durationMs: performance.now() - startedMs, end });
}

function toGatewayRequest(
  incoming: IncomingMessage,
  departure: Departure,
  whenOver: GatewayRequest['whenOver'],
): GatewayRequest {
  const { url: target = '', method = '', headers, rawHeaders } = incoming;
  return {
    id: newRequestId(),
    method,
    target,
    headers,
    hostHeaders: countHosts(rawHeaders),
    readBody: (limitBytes) => readBody(incoming, limitBytes),
    departure,
    whenOver,
    trace: { dialect: dialectOf(target, headers), attempts: [] },
  };
}

/** Names and values by turns, as they were sent: `headers` keeps the first of several. */
function countHosts(rawHeaders: readonly string[]): number {
  let count = 0;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    if (rawHeaders[index]?.length === 4 && rawHeaders[index]?.toLowerCase() === 'host') count += 1;
  }
  return count;
}

/**
 * A body that is too large is read on for a while and thrown away: a client that is still sending would not see the refusal. By
 * events: the stream's async iterator costs a tenth of what a short request takes.
 */
function readBody(incoming: IncomingMessage, limitBytes: number): Promise<Buffer | 'too_large'> {
  const discardBytes = limitBytes * discardFactor;
  if (Number(incoming.headers['content-length'] ?? 0) > discardBytes) return Promise.resolve('too_large');
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const take = (chunk: Buffer): void => {
      size += chunk.length;
      if (size <= limitBytes) return void chunks.push(chunk);
      chunks.length = 0;
      if (size <= discardBytes) return;
      incoming.off('data', take).pause();
      resolve('too_large');
    };
    incoming.on('data', take);
    incoming.on('end', () => resolve(size > limitBytes ? 'too_large' : whole(chunks)));
    incoming.on('error', reject);
    // Gone before anybody listened: then nothing comes any more.
    if (incoming.destroyed) reject(new Error('the client went away'));
  });
}

function whole(chunks: readonly Buffer[]): Buffer {
  return chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks);
}

async function writeResponse(
  response: GatewayResponse,
  outgoing: ServerResponse,
  request: GatewayRequest,
): Promise<Finished['end']> {
  const { departure, trace } = request;
  if (departure.gone()) return 'gone';
  if (typeof response.body === 'string' || response.body instanceof Uint8Array) {
    outgoing.writeHead(response.status, { ...response.headers, 'content-length': Buffer.byteLength(response.body) });
    endWith(outgoing, response.body);
    return 'complete';
  }
  outgoing.writeHead(response.status, response.headers);
  try {
    for await (const chunk of response.body) {
      if (!outgoing.write(chunk) && !(await drained(outgoing, departure))) return 'gone';
    }
    outgoing.end();
    return trace.failure === undefined ? 'complete' : 'broken';
  } catch (error) {
    if (departure.gone()) return 'gone';
    trace.failure = errorMessage(error);
    outgoing.destroy();
    return 'broken';
  }
}

/** Up to here copying a body once more costs less than a second piece for the socket. */
const oneWriteBytes = 16 * 1024;

/** Node puts text behind the headers and writes both as one; latin1 keeps every byte as it is. */
function endWith(outgoing: ServerResponse, body: string | Uint8Array): void {
  if (body instanceof Buffer && body.length <= oneWriteBytes) outgoing.end(body.toString('latin1'), 'latin1');
  else outgoing.end(body);
}

/** @returns false when the client went away instead */
function drained(outgoing: ServerResponse, departure: Departure): Promise<boolean> {
  if (departure.gone()) return Promise.resolve(false);
  return new Promise((resolve) => {
    const stay = departure.onGone(() => resolve(false));
    outgoing.once('drain', () => {
      stay();
      resolve(true);
    });
  });
}
