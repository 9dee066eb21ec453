import { once } from 'node:events';
import { join } from 'node:path';

import { request } from 'undici';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import {
  chunkEvent,
  postTo,
  question,
  sse,
  startBench,
  startStandIn,
  untilOpenRequestsAre,
  type Bench,
  type StandIn,
} from './stand-in.js';

let bench: Bench;
let server: StandIn;

beforeEach(async () => {
  bench = await startBench();
  server = await startStandIn(join(bench.folder, 'one.sock'));
  await bench.route({ address: server.address, serverId: 'tickets-v1-a' });
});

afterEach(async () => {
  await server.close();
  await bench.close();
});

const post = (path: string, body: string | Buffer, headers?: Record<string, string>, signal?: AbortSignal) =>
  postTo(bench, path, body, headers, signal);

describe('a stream', () => {
  test('passes byte for byte, also when events arrive in pieces', async () => {
    const asking = post('/v1/chat/completions', question);
    const { answer } = await server.nextCall();
    const whole = `: hello\n\n${chunkEvent('Grü')}${chunkEvent('ße', 'stop')}data: [DONE]\n\n`;
    const bytes = Buffer.from(whole);
    answer.writeHead(200, sse);
    for (let at = 0; at < bytes.length; at += 7) answer.write(bytes.subarray(at, at + 7));
    answer.end();
    const received = await asking;
    expect(received.headers['content-type']).toBe('text/event-stream');
    expect(await received.body.text()).toBe(whole);
  });

  test('shows its first words before the server has written the last', async () => {
    const asking = post('/v1/chat/completions', question);
    const { answer } = await server.nextCall();
    answer.writeHead(200, sse).write(chunkEvent('first'));
    const chunks = (await asking).body[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
    expect(String((await chunks.next()).value)).toBe(chunkEvent('first'));
    await untilOpenRequestsAre(bench, { 'tickets-v1-a': 1 });
    answer.end('data: [DONE]\n\n');
    expect(String((await chunks.next()).value)).toBe('data: [DONE]\n\n');
  });

  test.each([
    ['that the server ends without [DONE] gets it', chunkEvent('a', 'stop'), 'data: [DONE]\n\n'],
    [
      'with CRLF that ends without [DONE] gets it',
      chunkEvent('a', 'stop').replaceAll('\n', '\r\n'),
      'data: [DONE]\n\n',
    ],
    ['that has its [DONE] gets no second one', `${chunkEvent('a', 'stop')}data: [DONE]\n\n`, ''],
    ['that ends with an error of the server stays one', 'data: {"error":{"message":"no"}}\n\n', ''],
  ])('%s', async (_title, sent, added) => {
    const asking = post('/v1/chat/completions', question);
    (await server.nextCall()).answer.writeHead(200, sse).end(sent);
    expect(await (await asking).body.text()).toBe(sent + added);
  });

  test('that ends before its answer is finished becomes an error, never a shorter success', async () => {
    const asking = post('/v1/chat/completions', question);
    (await server.nextCall()).answer.writeHead(200, sse).end(chunkEvent('half an'));
    const text = await (await asking).body.text();
    expect(text).toContain('"code":"upstream_failed"');
    expect(text).not.toContain('[DONE]');
  });

  test('that breaks off in the middle of an event ends with an error event after the last whole one', async () => {
    const asking = post('/v1/chat/completions', question);
    const { answer } = await server.nextCall();
    answer.writeHead(200, sse).write(chunkEvent('whole') + chunkEvent('torn apart').slice(0, 20));
    const received = await asking;
    answer.destroy();
    const events = (await received.body.text()).split('\n\n');
    expect(events).toHaveLength(3);
    expect(`${events[0]}\n\n`).toBe(chunkEvent('whole'));
    expect(JSON.parse(events[1]?.replace('data: ', '') ?? '')).toMatchObject({ error: { code: 'upstream_failed' } });
    await untilOpenRequestsAre(bench, {});
  });

  test('is not pulled from the server faster than the client reads', async () => {
    const asking = post('/v1/chat/completions', question);
    const { answer } = await server.nextCall();
    const event = chunkEvent('x'.repeat(64 * 1024));
    const count = 800;
    let written = 0;
    answer.writeHead(200, sse);
    const writing = (async () => {
      for (; written < count; written += 1) if (!answer.write(event)) await once(answer, 'drain');
      answer.end('data: [DONE]\n\n');
    })();
    const { body } = await asking;
    await untilNothingMoves(() => written);
    expect(written).toBeLessThan(count / 2);
    expect((await body.text()).length).toBe(event.length * count + 'data: [DONE]\n\n'.length);
    await writing;
  });
});

/** Nothing moved during fifty round trips through the same gateway: it had every chance to read on. */
async function untilNothingMoves(count: () => number): Promise<void> {
  let still = 0;
  for (let last = count(); still < 50; last = count()) {
    const answer = await request(`${bench.url}/health`);
    await answer.body.dump();
    still = count() === last ? still + 1 : 0;
  }
}

describe('when the client leaves', () => {
  test.each(['before the headers', 'in the middle of the stream'])('the server is told: %s', async (when) => {
    const leaving = new AbortController();
    const asking = post('/v1/chat/completions', question, {}, leaving.signal);
    const call = await server.nextCall();
    if (when === 'in the middle of the stream') {
      call.answer.writeHead(200, sse).write(chunkEvent('first'));
      const { body } = await asking;
      body.on('error', () => undefined);
    }
    leaving.abort();
    await asking.catch(() => undefined);
    await call.cut;
    await untilOpenRequestsAre(bench, {});
  });
});

test('a stopping gateway finishes the open stream and takes no new request', async () => {
  const asking = post('/v1/chat/completions', question);
  const { answer } = await server.nextCall();
  answer.writeHead(200, sse).write(chunkEvent('last'));
  const { body } = await asking;
  const stopping = bench.gateway.stop();
  await expect(request(`${bench.url}/health`)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  answer.end(`${chunkEvent(' words', 'stop')}data: [DONE]\n\n`);
  expect(await body.text()).toContain('[DONE]');
  await stopping;
  expect(await bench.control.state()).toBeUndefined();
});
