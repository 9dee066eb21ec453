import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { openSpanExport } from '../../../../src/gateway/otlp/export.js';
import { requestSpan } from '../../../../src/gateway/otlp/span.js';
import { trafficRow } from '../../ledger/traffic-example.js';

let server: Server;
let status: number;
const received: { headers: IncomingMessage['headers']; url: string; body: Buffer }[] = [];
const warnings: string[] = [];

beforeEach(async () => {
  status = 200;
  received.length = 0;
  warnings.length = 0;
  server = createServer((incoming, outgoing) => {
    const parts: Buffer[] = [];
    incoming.on('data', (part: Buffer) => parts.push(part));
    incoming.on('end', () => {
      received.push({ headers: incoming.headers, url: incoming.url ?? '', body: Buffer.concat(parts) });
      outgoing.writeHead(status).end();
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterEach(() => new Promise((resolve) => server.close(resolve)));

function open(protocol: 'protobuf' | 'json') {
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/traces`;
  const headers = { 'x-mlflow-experiment-id': '1' };
  return openSpanExport({ settings: { endpoint, protocol, headers }, warn: (line) => warnings.push(line) });
}

const row = trafficRow({
  requestId: 'req_0f8fad5b-d9cb-469f-a165-70867728950e',
  feature: 'search',
  cachedInputTokens: 4,
});

describe('a request as a span', () => {
  it('has the names of the conventions, and the id that the row and the log have', () => {
    const span = requestSpan(row);
    expect(span).toMatchObject({
      traceId: '0f8fad5bd9cb469fa16570867728950e',
      name: 'chat tickets',
      endMs: span.startMs + 20,
      failed: false,
      attributes: {
        'gen_ai.operation.name': 'chat',
        'gen_ai.provider.name': 'local',
        'gen_ai.usage.input_tokens': 10,
        'gen_ai.usage.cache_read.input_tokens': 4,
        'gen_ai.response.finish_reasons': ['stop'],
        'mlx.feature': 'search',
        'mlx.cost_usd': 0.25,
      },
    });
    expect(span.spanId).toMatch(/^[0-9a-f]{16}$/);
    expect(span.attributes).not.toHaveProperty('error.type');
    expect(requestSpan(trafficRow({ status: 502, errorClass: 'broken' }))).toMatchObject({ failed: true });
  });
});

describe('the export', () => {
  it('sends what waits in one batch, as JSON', async () => {
    const spans = open('json');
    for (let index = 0; index < 3; index += 1) spans.add(row);
    await spans.close();
    expect(received).toHaveLength(1);
    expect(received[0]).toMatchObject({
      url: '/v1/traces',
      headers: { 'content-type': 'application/json', 'x-mlflow-experiment-id': '1' },
    });
    const { resourceSpans } = JSON.parse(received[0]?.body.toString() ?? '') as {
      resourceSpans: { scopeSpans: { spans: Record<string, unknown>[] }[] }[];
    };
    const sent = resourceSpans[0]?.scopeSpans[0]?.spans ?? [];
    expect(sent).toHaveLength(3);
    expect(sent[0]).toMatchObject({ traceId: '0f8fad5bd9cb469fa16570867728950e', name: 'chat tickets', kind: 3 });
  });

  it('sends protobuf, whose fields are where the format says', async () => {
    const spans = open('protobuf');
    spans.add(row);
    await spans.close();
    expect(received[0]?.headers['content-type']).toBe('application/x-protobuf');
    // ExportTraceServiceRequest.resource_spans = 1, ResourceSpans.scope_spans = 2, ScopeSpans.spans = 2, Span.trace_id = 1, name = 5.
    const span = [1, 2, 2].reduce((message, field) => fieldOf(message, field), received[0]?.body ?? Buffer.alloc(0));
    expect(fieldOf(span, 1).toString('hex')).toBe('0f8fad5bd9cb469fa16570867728950e');
    expect(fieldOf(span, 5).toString()).toBe('chat tickets');
  });

  it('says once that an endpoint does not take them, counts what it lost, and holds up nothing', async () => {
    status = 500;
    const spans = open('protobuf');
    for (let index = 0; index < 1000; index += 1) spans.add(row);
    await spans.close();
    expect(spans.dropped()).toBe(1000);
    expect(warnings).toEqual([
      expect.stringMatching(/^Spans cannot be sent to http:\/\/127\.0\.0\.1:\d+: status 500\. Requests go on\.$/),
    ]);
  });

  it('keeps a bounded number of spans for an endpoint that does not answer', async () => {
    server.removeAllListeners('request');
    const spans = open('protobuf');
    for (let index = 0; index < 10_000; index += 1) spans.add(row);
    expect(spans.dropped()).toBe(10_000 - 4_096);
    server.closeAllConnections();
    const closing = spans.close();
    server.on('connection', (socket) => socket.destroy());
    await closing;
  });
});

/** The first length-delimited field with that number: https://protobuf.dev/programming-guides/encoding/ */
function fieldOf(message: Buffer, wanted: number): Buffer {
  for (let at = 0; at < message.length;) {
    const tag = varint(message, at);
    at = tag.next;
    const wire = tag.value & 7;
    if (wire === 2) {
      const size = varint(message, at);
      const value = message.subarray(size.next, size.next + size.value);
      if (tag.value >> 3 === wanted) return value;
      at = size.next + size.value;
    } else at = wire === 0 ? varint(message, at).next : at + (wire === 1 ? 8 : 4);
  }
  throw new Error(`There is no field ${wanted}.`);
}

function varint(message: Buffer, from: number): { value: number; next: number } {
  let value = 0;
  for (let at = from; ; at += 1) {
    const byte = message[at] ?? 0;
    value += (byte & 127) * 2 ** (7 * (at - from));
    if (byte < 128) return { value, next: at + 1 };
  }
}
