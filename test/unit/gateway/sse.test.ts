// Whatever a server sends as a stream: every byte passes once and in order, and nothing of it is ever too odd to be read.
import fc from 'fast-check';
import { expect, test } from 'vitest';

import type { Operation } from '../../../src/gateway/exchange.js';
import { cutEvents, streamEnding } from '../../../src/gateway/sse.js';
import { tapStream } from '../../../src/gateway/usage/stream.js';

const runs = 2_000;
const operations: Operation[] = ['chat', 'completions', 'responses', 'messages'];
const pieces = fc.oneof(
  fc.constantFrom(
    '\n',
    '\r\n',
    '\n\n',
    '\r\n\r\n',
    'data:',
    'data: ',
    'event: ',
    ': ping',
    '[DONE]',
    'data: [DONE]\n\n',
  ),
  fc.constantFrom(
    '{"choices":[]',
    '"usage":{',
    '"prompt_tokens":1',
    '}',
    '{"type":"error"}',
    '"finish_reason":"stop"',
    '🙂',
  ),
  fc.string({ unit: 'binary', maxLength: 20 }),
);
const stream = fc.array(pieces, { maxLength: 40 }).map((parts) => Buffer.from(parts.join('')));

function cutAt(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const chunks: Buffer[] = [];
  for (let at = 0, turn = 0; at < bytes.length; turn += 1) {
    const size = sizes[turn % sizes.length] ?? 1;
    chunks.push(bytes.subarray(at, at + size));
    at += size;
  }
  return chunks;
}

const sizes = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 5 });

test('events leave whole, in order, and nothing is lost wherever the chunks are cut', () => {
  const property = fc.property(stream, sizes, (bytes, cuts) => {
    const cutter = cutEvents();
    const passed = cutAt(bytes, cuts).map((chunk) => Buffer.from(cutter.push(chunk)));
    expect(Buffer.concat([...passed, cutter.rest()])).toEqual(bytes);
    for (const whole of passed.filter(({ length }) => length > 0)) expect(whole.toString('latin1')).toMatch(/\n\r?\n$/);
  });
  fc.assert(property, { numRuns: runs });
});

test('any end of a stream is one of four, and is read without an error', () => {
  const property = fc.property(stream, fc.constantFrom(...operations), (bytes, operation) => {
    expect(['done', 'finished', 'error', 'cut']).toContain(streamEnding(bytes.toString('utf8'), operation));
  });
  fc.assert(property, { numRuns: runs });
});

test('what is counted on the way changes no byte, and never fails', () => {
  const property = fc.property(stream, sizes, (bytes, cuts) => {
    const tap = tapStream(false);
    expect(Buffer.concat(cutAt(bytes, cuts).map((chunk) => tap.push(chunk)))).toEqual(bytes);
    expect(tap.events()).toBeGreaterThanOrEqual(0);
    expect(tap.facts()).toBeTypeOf('object');
  });
  fc.assert(property, { numRuns: runs });
});
