// Server-sent events on their way through: whole events only, so that a break never leaves half of one behind,
// and what the last ones said. Format: https://html.spec.whatwg.org/multipage/server-sent-events.html
import { z } from 'zod';

import type { Operation } from './exchange.js';

export type EventCutter = {
  /** @returns the bytes up to the end of the last whole event, unchanged; empty while there is none */
  push: (chunk: Uint8Array) => Buffer;
  /** What came after the last whole event. */
  rest: () => Buffer;
  /** Text of the newest whole events: enough for the last answer, the usage and the end. */
  tail: () => string;
};

/** A single event that is larger goes on in parts: memory is bounded. */
const heldLimitBytes = 1024 * 1024;
const tailChunks = 4;
const lineFeed = 10;
const carriageReturn = 13;

export function cutEvents(): EventCutter {
  let held: Buffer = Buffer.alloc(0);
  const newest: Buffer[] = [];
  return {
    push: (chunk) => {
      const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
      const all = held.length === 0 ? bytes : Buffer.concat([held, bytes]);
      const end = all.length > heldLimitBytes ? all.length : endOfLastEvent(all);
      const whole = all.subarray(0, end);
      held = all.subarray(end);
      if (whole.length > 0) newest.push(whole);
      if (newest.length > tailChunks) newest.shift();
      return whole;
    },
    rest: () => held,
    tail: () => Buffer.concat(newest).toString('utf8'),
  };
}

/** `done`: ended as the protocol wants. `finished`: only the `[DONE]` is missing. `error`: said so itself. `cut`: neither. */
export type StreamEnding = 'done' | 'finished' | 'error' | 'cut';

/** The last event of an answer that is whole, where it is not `[DONE]`. */
const lastTypes = new Set(['message_stop', 'response.completed', 'response.incomplete']);
const errorTypes = new Set(['error', 'response.failed']);

/** `operation` is the upstream's: each has its own way of ending. */
export function streamEnding(tail: string, operation: Operation): StreamEnding {
  const events = tail
    .split(/\r?\n\r?\n/)
    .map(eventText)
    .filter((text) => text !== '');
  if (events.at(-1) === '[DONE]') return 'done';
  const parsed = events.map(parseEvent);
  if (parsed.some((event) => event.failed)) return 'error';
  if (parsed.some((event) => event.last)) return 'done';
  const chat = operation === 'chat' || operation === 'completions';
  return chat && parsed.some((event) => event.finished) ? 'finished' : 'cut';
}

/** After the last empty line; 0 when there is none. */
function endOfLastEvent(bytes: Buffer): number {
  for (let at = bytes.lastIndexOf(lineFeed); at > 0; at = bytes.lastIndexOf(lineFeed, at - 1)) {
    const before = bytes[at - 1];
    if (before === lineFeed) return at + 1;
    if (before === carriageReturn && bytes[at - 2] === lineFeed) return at + 1;
  }
  return 0;
}

function eventText(event: string): string {
  return event
    .split(/\r?\n/)
    .filter((line) => line.startsWith('data:'))
    .map((line) => line.slice('data:'.length).trim())
    .join('\n');
}

const chunkSchema = z.object({
  type: z.string().optional().catch(undefined),
  error: z.unknown().optional(),
  choices: z.array(z.object({ finish_reason: z.string().nullish() })).optional(),
});

/** The first text of a tail may be half an event: then it says nothing. */
function parseEvent(text: string): { failed: boolean; finished: boolean; last: boolean } {
  try {
    const { type = '', error, choices = [] } = chunkSchema.parse(JSON.parse(text));
    return {
      failed: (error !== undefined && error !== null) || errorTypes.has(type),
      finished: choices.some((choice) => typeof choice.finish_reason === 'string'),
      last: lastTypes.has(type),
    };
  } catch {
    return { failed: false, finished: false, last: false };
  }
}
