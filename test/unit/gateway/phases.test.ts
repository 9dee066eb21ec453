// An upstream that hangs, breaks or is left, at every phase of an answer; the clock is the test's.
import { openDeparture } from '../../../src/gateway/departure.js';
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { createServer as createTcpServer, type AddressInfo, type Server } from 'node:net';

import { afterEach, describe, expect, test } from 'vitest';

import { ownRoute, type RouteConfig } from '../../../src/config/route-schema.js';
import { buildRouting, type KeyedUpstream } from '../../../src/gateway/routing.js';
import { fixture } from './fake-hosts.js';
import { heldClock, openCore, textOf, type CoreBench, type HeldClock } from './core-bench.js';

const timeouts = { connectMs: 3_000, firstByteMs: 30_000, idleMs: 10_000, totalMs: 60_000 };
const closing: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

function upstream(name: string, server: Server): KeyedUpstream {
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
  return { name, dialect: 'openai', url, key: undefined, local: true, rewrite: { drop: [], rename: {}, set: {} } };
}

async function listening<Any extends Server>(server: Any): Promise<Any> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closing.push(() => new Promise((resolve) => server.close(resolve)));
  return server;
}

/** Resolves with each call as it comes; `gone` resolves when the gateway closed its connection. */
type Arrived = { answer: ServerResponse; gone: Promise<unknown> };

async function scripted() {
  const waiting: ((call: Arrived) => void)[] = [];
  const server = createServer((incoming, answer) => {
    const gone = new Promise((resolve) => answer.once('close', () => !answer.writableFinished && resolve(true)));
    incoming.resume().once('end', () => waiting.shift()?.({ answer, gone }));
  });
  await listening(server);
  closing.push(() => server.closeAllConnections());
  return { server, next: () => new Promise<Arrived>((resolve) => waiting.push(resolve)) };
}

function benchFor(servers: Server[], change: Partial<RouteConfig> = {}): { bench: CoreBench; clock: HeldClock } {
  const clock = heldClock();
  const upstreams = servers.map((server, index) => upstream(`up${index}`, server));
  const [primary, ...fallback] = upstreams.map(({ name }) => ({ upstream: name, model: 'm' }));
  if (!primary) throw new Error('a route needs an upstream');
  const route = { ...ownRoute('r'), primary, fallback, timeouts, retries: 0, ...change };
  const routing = buildRouting({ routes: [route], upstreams }, []);
  const bench = openCore({ routing: () => routing, clock });
  closing.push(bench.close);
  return { bench, clock };
}

const ask = { model: 'r', messages: [] };
const sse = { 'content-type': 'text/event-stream' };
const chunk = (text: string) => `data: {"choices":[{"delta":{"content":"${text}"},"finish_reason":null}]}\n\n`;
const answered = `${chunk('whole').replace('null', '"stop"')}data: [DONE]\n\n`;

describe('an upstream that stalls', () => {
  test('before it accepts the connection is given up after connect_s', async () => {
    // A full backlog: the kernel neither accepts nor refuses. Here the held clock stands in for those seconds.
    const { server } = await scripted();
    const { bench, clock } = benchFor([server]);
    const asking = bench.ask(ask);
    while (clock.timers() === 0) await turn();
    clock.advance(timeouts.connectMs);
    const { status, trace, text } = await asking;
    expect([status, trace.attempts[0]?.errorClass]).toEqual([504, 'connect_timeout']);
    expect(JSON.parse(text)).toMatchObject({ error: { code: 'upstream_timeout' } });
  });

  test.each(['before its headers', 'after its headers, before the first byte'])(
    '%s is given up after first_byte_s, and its connection closed',
    async (phase) => {
      const { server, next } = await scripted();
      const { bench, clock } = benchFor([server]);
      const asking = bench.ask(ask);
      const { answer, gone } = await next();
      if (phase.startsWith('after')) answer.writeHead(200, sse).flushHeaders();
      await turns();
      clock.advance(timeouts.firstByteMs - 1);
      await turns();
      expect(bench.core.upstreams.open()).toEqual({ up0: 1 });
      clock.advance(1);
      const { status, trace } = await asking;
      expect([status, trace.attempts[0]?.errorClass]).toEqual([504, 'first_byte_timeout']);
      await gone;
      expect(bench.core.upstreams.open()).toEqual({});
    },
  );

  test.each([
    ['in the middle of a stream, after idle_s', timeouts.idleMs],
    ['without an end, however busy, after total_s', timeouts.totalMs],
  ])('%s: the stream ends with an error event', async (_, afterMs) => {
    const { server, next } = await scripted();
    const { bench, clock } = benchFor([server]);
    const asking = bench.begin(ask);
    const { answer, gone } = await next();
    answer.writeHead(200, sse).write(chunk('a'));
    const { response } = await asking;
    const reading = textOf(response);
    if (afterMs === timeouts.totalMs) {
      for (let passedMs = 0; passedMs < afterMs - 5_000; passedMs += 5_000) {
        answer.write(chunk('b'));
        await turns();
        clock.advance(5_000);
      }
      clock.advance(5_000);
    } else {
      await turns();
      clock.advance(afterMs);
    }
    const text = await reading;
    await gone;
    expect(text.startsWith(chunk('a'))).toBe(true);
    expect(text).toContain('"code":"upstream_failed"');
    expect(text).not.toContain('[DONE]');
  });

  test('for less than that is kept alive with comments', async () => {
    const { server, next } = await scripted();
    const { bench, clock } = benchFor([server], { timeouts: { ...timeouts, idleMs: 60_000 } });
    const asking = bench.begin(ask);
    const { answer } = await next();
    answer.writeHead(200, sse).write(chunk('a'));
    const { response } = await asking;
    const reading = textOf(response);
    await turns();
    for (let pings = 0; pings < 2; pings += 1) {
      clock.advance(15_000);
      await turns();
    }
    answer.end(answered);
    expect(await reading).toBe(`${chunk('a')}: ping\n\n: ping\n\n${answered}`);
  });
});

describe('an upstream that breaks off', () => {
  test('before the first byte is replaced by the next one, and nothing of it is seen', async () => {
    const [first, second] = [await scripted(), await scripted()];
    const { bench } = benchFor([first.server, second.server]);
    const asking = bench.ask(ask);
    (await first.next()).answer.writeHead(200, sse).flushHeaders();
    await turns();
    first.server.closeAllConnections();
    (await second.next()).answer.writeHead(200, sse).end(answered);
    const { status, text, trace } = await asking;
    expect([status, text]).toEqual([200, answered]);
    expect(trace.attempts.map(({ upstream: name, errorClass }) => [name, errorClass])).toEqual([
      ['up0', 'broken'],
      ['up1', null],
    ]);
    expect(trace).toMatchObject({ upstream: 'up1', role: 'fallback' });
  });

  test.each([1, 2, 3, 5, 8])('after %i events ends the stream with an error; no other one is asked', async (count) => {
    const [first, second] = [await scripted(), await scripted()];
    const { bench } = benchFor([first.server, second.server]);
    const asking = bench.begin(ask);
    const { answer } = await first.next();
    const sent = Array.from({ length: count }, (_, index) => chunk(`word ${index}`)).join('');
    answer.writeHead(200, sse);
    await new Promise((resolve) => answer.write(sent, resolve));
    const { response, trace } = await asking;
    const reading = textOf(response);
    await turns();
    answer.destroy();
    const text = await reading;
    expect(text.slice(0, sent.length)).toBe(sent);
    expect(text.slice(sent.length).match(/data:/g)).toHaveLength(1);
    expect(text).not.toContain('[DONE]');
    expect(trace.attempts).toHaveLength(1);
    expect(trace.errorClass).toBe('broken_stream');
  });
});

describe('a client that leaves', () => {
  const whens = ['before the headers', 'before the first byte', 'in the middle'] as const;
  const paths = [
    ['/v1/chat/completions', ask],
    ['/v1/completions', { model: 'r', prompt: 'x' }],
    ['/v1/responses', { model: 'r', input: 'x' }],
    ['/v1/embeddings', { model: 'r', input: 'x' }],
    ['/v1/messages', { model: 'r', max_tokens: 1, messages: [{ role: 'user', content: 'x' }] }],
  ] as const;
  const cells = paths.flatMap(([path, body]) =>
    whens.flatMap((when) => [true, false].map((streamed) => ({ path, body, when, streamed }))),
  );

  test.each(cells)(
    '$when of $path (stream: $streamed) takes the upstream with it',
    async ({ path, body, when, streamed }) => {
      const { server, next } = await scripted();
      const { bench } = benchFor([server]);
      const departure = openDeparture();
      const asking = bench.ask({ ...body, stream: streamed }, { path, departure }).catch((error: unknown) => error);
      const { answer, gone } = await next();
      if (when !== 'before the headers')
        answer.writeHead(200, streamed ? sse : { 'content-type': 'application/json' }).flushHeaders();
      if (when === 'in the middle')
        await new Promise((resolve) => answer.write(streamed ? chunk('a') : '{"a":', resolve));
      await turns();
      departure.leave();
      await gone;
      await asking;
      expect(bench.core.upstreams.open()).toEqual({});
      // It says nothing about the upstream.
      expect(bench.core.breakers.stateOf('up0')).toBe('closed');
    },
  );
});

test.each(['chat-text.sse', 'chat-tools.sse'])(
  '%s passes byte for byte, wherever its bytes are cut, with CRLF and comments too',
  async (name) => {
    const [unix, windows] = [fixture(name), `: hello\r\n\r\n${fixture(name).replaceAll('\n', '\r\n')}`];
    for (const whole of [unix, windows]) {
      const { server, next } = await scripted();
      const { bench } = benchFor([server]);
      for (const size of [1, 2, 3, 5, 64, 100_000]) {
        const asking = bench.ask({ ...ask, stream: true });
        const { answer } = await next();
        answer.writeHead(200, sse);
        const bytes = Buffer.from(whole);
        for (let at = 0; at < bytes.length; at += size) answer.write(bytes.subarray(at, at + size));
        answer.end();
        expect((await asking).text).toBe(whole);
      }
    }
  },
);

test('a server that is no HTTP server at all is a failure like any other', async () => {
  const server = await listening(createTcpServer((socket) => socket.end('SSH-2.0-x\r\n', () => socket.destroy())));
  const { bench } = benchFor([server]);
  const { status, trace } = await bench.ask(ask);
  expect([status, trace.attempts[0]?.errorClass]).toEqual([502, 'broken']);
});

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Enough for what was written to arrive: loopback delivers within a few turns of the event loop. */
async function turns(): Promise<void> {
  for (let count = 0; count < 200; count += 1) await turn();
}
