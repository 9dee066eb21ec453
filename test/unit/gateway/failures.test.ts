import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { buildRouting } from '../../../src/gateway/routing.js';
import type { Route } from '../../../src/ledger/promotions.js';
import { openCore } from './core-bench.js';
import {
  answerJson,
  chunkEvent,
  postTo,
  question,
  refusal,
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

const route: Route = {
  name: 'tickets',
  model: 'tickets',
  version: 1,
  digest: 'sha256:1',
  serverId: 'tickets-v1-a',
  engine: 'host',
  address: '',
  updatedAtMs: 1,
};
describe('when the server fails', () => {
  test('and is not there at all, the client learns how to start it', async () => {
    await bench.route({ address: `unix:${join(bench.folder, 'gone.sock')}`, serverId: 'gone' });
    const answer = await refusal(await post('/v1/chat/completions', question));
    expect(answer).toMatchObject({ status: 502, code: 'upstream_failed', type: 'server_error' });
    expect(answer.message).toContain('mlx serve tickets');
  });

  test.each(['before its headers', 'after its headers, before the first byte'])(
    '%s, the client gets a 502',
    async (when) => {
      const asking = post('/v1/chat/completions', question);
      const { answer } = await server.nextCall();
      if (when.startsWith('after')) answer.writeHead(200, sse).flushHeaders();
      answer.destroy();
      expect(await refusal(await asking)).toMatchObject({ status: 502, code: 'upstream_failed' });
      await untilOpenRequestsAre(bench, {});
    },
  );

  test('in the middle of an answer that is no stream, the client gets a 502 instead of a part', async () => {
    const asking = post('/v1/chat/completions', question);
    const { answer } = await server.nextCall();
    answer.writeHead(200, { 'content-type': 'application/json' }).write('{"choices":');
    answer.destroy();
    expect(await refusal(await asking)).toMatchObject({ status: 502, code: 'upstream_failed' });
  });

  test('because a switch took it away just now, the new one is asked instead', async () => {
    const replacement = await startStandIn(join(bench.folder, 'new.sock'), (call) => answerJson(call, 'new'));
    const [gone, arrived] = ['gone', 'new'].map((name) =>
      buildRouting({ routes: [], upstreams: [] }, [
        { ...route, serverId: name, address: `unix:${join(bench.folder, `${name}.sock`)}` },
      ]),
    );
    let reads = 0;
    if (!gone || !arrived) throw new Error('both were built');
    const core = openCore({ routing: () => (reads++ === 0 ? gone : arrived) });
    const answer = await core.ask(question);
    expect(answer.status).toBe(200);
    expect(answer.trace.attempts).toMatchObject([
      { status: null, errorClass: 'connect_failed' },
      { status: 200, errorClass: null },
    ]);
    expect(replacement.calls).toHaveLength(1);
    await core.close();
    await replacement.close();
  });
});

describe('a switch', () => {
  test('leaves an open stream on the old server and sends what comes after it to the new one', async () => {
    const second = await startStandIn(join(bench.folder, 'two.sock'), (call) => answerJson(call, 'new'));
    const streaming = post('/v1/chat/completions', question);
    const old = await server.nextCall();
    old.answer.writeHead(200, sse).write(chunkEvent('old, '));
    const { body, headers } = await streaming;
    await bench.route({ version: 2, address: second.address, serverId: 'tickets-v2-b' });
    const answers = await Promise.all(Array.from({ length: 20 }, () => post('/v1/chat/completions', question)));
    for (const answer of answers) await answer.body.dump();
    expect(answers.map((answer) => answer.headers['x-mlx-version'])).toEqual(Array(20).fill('tickets:2'));
    await untilOpenRequestsAre(bench, { 'tickets-v1-a': 1 });
    old.answer.end(`${chunkEvent('still', 'stop')}data: [DONE]\n\n`);
    expect(await body.text()).toBe(`${chunkEvent('old, ')}${chunkEvent('still', 'stop')}data: [DONE]\n\n`);
    expect(headers['x-mlx-version']).toBe('tickets:1');
    expect(server.calls).toHaveLength(1);
    await untilOpenRequestsAre(bench, {});
    await second.close();
  });

  test('that the gateway could not take over is not acknowledged', async () => {
    const [route] = (await bench.control.state())?.routes ?? [];
    if (!route) throw new Error('the route of the test is missing');
    await expect(bench.control.reload('tickets', { ...route, serverId: 'another' })).rejects.toMatchObject({
      code: 'GATEWAY_STALE',
    });
  });
});
