// The bytes of an answer from an upstream to the client. Pulled by the client's side, so a slow reader slows the upstream.
import { errorMessage } from '../errors.js';
import { errorEvent } from './api-error.js';
import type { Call } from './call.js';
import type { GatewayRequest, Operation } from './exchange.js';
import { cutEvents, streamEnding } from './sse.js';
import type { Passage } from './stages.js';

export type EventRelay = {
  first: Buffer;
  call: Call;
  request: GatewayRequest;
  /** The upstream's. */
  operation: Operation;
  passages: readonly Passage[];
  /** The last passage writes the events anew, in another dialect. */
  translated: boolean;
  onBroken: () => void;
};

const doneEvent = Buffer.from('data: [DONE]\n\n');
/** Hops between the gateway and its client cut connections that are silent for a minute. */
const pingEveryMs = 15_000;
const pings = {
  openai: Buffer.from(': ping\n\n'),
  anthropic: Buffer.from('event: ping\ndata: {"type":"ping"}\n\n'),
};

/** Throws where the upstream broke off: the connection to the client is then torn down, never ended as if it were whole. */
export async function* relayRest(begun: readonly Buffer[], call: Call): AsyncGenerator<Uint8Array> {
  yield* begun;
  for (let next = await call.read(); next !== undefined; next = await call.read()) yield next;
}

/**
 * Whole events, through the passages. An upstream that breaks off, or ends without having finished its answer, becomes an error
 * event; one that finished but left out `[DONE]` (as transformers' server does) gets it appended.
 */
export async function* relayEvents(relay: EventRelay): AsyncGenerator<Uint8Array> {
  const { call, request, passages } = relay;
  const cutter = cutEvents();
  const ping = pings[request.trace.dialect ?? 'openai'];
  call.keepAlive(ping, pingEveryMs);
  try {
    for (let next: Buffer | undefined = relay.first; next !== undefined; next = await call.read()) {
      // Ours, not the upstream's: it goes between whole events, so it needs no cutting.
      const whole = next === ping ? ping : pass(cutter.push(next), passages);
      if (whole.length > 0) yield whole;
    }
    // A last event without its empty line: the upstream ended cleanly, so it is whole.
    if (cutter.rest().length > 0) yield pass(cutter.push(Buffer.from('\n\n')), passages);
    yield* ending(relay, cutter.tail());
  } catch (error) {
    if (request.departure.gone()) throw error;
    yield broken(relay, errorMessage(error));
  } finally {
    // Also when the client's side stopped reading.
    call.cancel();
  }
}

export function pass(bytes: Buffer, passages: readonly Passage[]): Buffer {
  let passing = bytes;
  for (const passage of passages) if (passing.length > 0) passing = passage.push(passing);
  return passing;
}

/** What the first one held back still goes through the second. */
export function finish(passages: readonly Passage[]): Buffer {
  return passages.reduce<Buffer>((before, passage) => {
    const pushed = before.length > 0 ? passage.push(before) : before;
    return joined(pushed, passage.end());
  }, nothing);
}

const nothing = Buffer.alloc(0);

/** Most passages hold nothing back: then nothing is copied. */
export function joined(first: Buffer, second: Buffer): Buffer {
  if (second.length === 0) return first;
  return first.length === 0 ? second : Buffer.concat([first, second]);
}

function* ending(relay: EventRelay, tail: string): Generator<Uint8Array> {
  const how = streamEnding(tail, relay.operation);
  if (how === 'cut') {
    yield broken(relay, 'ended without finishing its answer');
    return;
  }
  if (how === 'error') {
    relay.request.trace.errorClass = 'upstream_error_event';
    relay.onBroken();
  }
  const held = finish(relay.passages);
  if (held.length > 0) yield held;
  if (how === 'finished' && !relay.translated) yield doneEvent;
}

function broken({ request, onBroken }: EventRelay, failure: string): Buffer {
  request.trace.failure = failure;
  request.trace.errorClass = 'broken_stream';
  onBroken();
  const message = 'The upstream broke off in the middle of its answer; what came before is not whole.';
  const refusal = { status: 502, type: 'server_error', code: 'upstream_failed', message };
  return errorEvent(request.trace.dialect ?? 'openai', refusal, request.id);
}
