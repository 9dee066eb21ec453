// The bytes of an answer from a model server to the client. Pulled by the client's side, so a slow reader slows the server.
import { errorCode, errorMessage } from '../errors.js';
import { errorEvent } from './api-error.js';
import type { GatewayRequest, Operation } from './exchange.js';
import { cutEvents, streamEnding } from './sse.js';
import type { Passage } from './stages.js';

/** The first chunk was taken already, to see that there is one. */
export type Chunks = { first: IteratorResult<Uint8Array>; rest: AsyncIterator<Uint8Array> };

const doneEvent = Buffer.from('data: [DONE]\n\n');

/** Throws where the server broke off: the connection to the client is then torn down, never ended as if it were whole. */
export async function* relayPlain(chunks: Chunks): AsyncGenerator<Uint8Array> {
  for (let next = chunks.first; next.done !== true; next = await chunks.rest.next()) yield next.value;
}

/**
 * Whole events, through the passages. A server that breaks off, or ends without having finished its answer, becomes an error
 * event; one that finished but left out `[DONE]` (as transformers' server does) gets it appended.
 */
export async function* relayEvents(
  chunks: Chunks,
  operation: Operation,
  passages: readonly Passage[],
  request: GatewayRequest,
): AsyncGenerator<Uint8Array> {
  const cutter = cutEvents();
  try {
    for await (const chunk of relayPlain(chunks)) {
      const whole = pass(cutter.push(chunk), passages);
      if (whole.length > 0) yield whole;
    }
  } catch (error) {
    if (request.signal.aborted) throw error;
    yield broken(request, errorCode(error) ?? errorMessage(error));
    return;
  }
  // A last event without its empty line: the server ended cleanly, so it is whole.
  if (cutter.rest().length > 0) yield pass(cutter.push(Buffer.from('\n\n')), passages);
  const held = finish(passages);
  if (held.length > 0) yield held;
  if (operation === 'chat' || operation === 'completions') yield* ending(cutter.tail(), request);
}

export function pass(bytes: Buffer, passages: readonly Passage[]): Buffer {
  return passages.reduce((passing, passage) => (passing.length > 0 ? passage.push(passing) : passing), bytes);
}

/** What the first one held back still goes through the second. */
export function finish(passages: readonly Passage[]): Buffer {
  return passages.reduce<Buffer>((before, passage) => {
    const pushed = before.length > 0 ? passage.push(before) : before;
    return Buffer.concat([pushed, passage.end()]);
  }, Buffer.alloc(0));
}

function* ending(tail: string, request: GatewayRequest): Generator<Uint8Array> {
  switch (streamEnding(tail)) {
    case 'done':
    case 'error':
      return;
    case 'finished':
      yield doneEvent;
      return;
    case 'cut':
      yield broken(request, 'ended without finishing its answer');
  }
}

function broken(request: GatewayRequest, failure: string): Buffer {
  request.trace.failure = failure;
  request.trace.errorClass = 'broken_stream';
  const message = 'The model server broke off in the middle of its answer; what came before is not whole.';
  const refusal = { status: 502, type: 'server_error', code: 'upstream_failed', message };
  return errorEvent(request.trace.dialect ?? 'openai', refusal, request.id);
}
