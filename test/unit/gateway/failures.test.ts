import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { buildRouting, type Routing } from '../../../src/gateway/routing.js';
import type { Stages } from '../../../src/gateway/stages.js';
import type { Route } from '../../../src/ledger/promotions.js';
import type { RouteHold } from '../../../src/ledger/route-holds.js';
import { openCore, type CoreBench } from './core-bench.js';
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
});

describe('a server that a switch replaces', () => {
  let replacement: StandIn;
  let current: Routing;
  let core: CoreBench;

  const towards = (serverId: string, holds: RouteHold[] = []) =>
    buildRouting(
      { routes: [], upstreams: [] },
      [{ ...route, serverId, address: `unix:${join(bench.folder, `${serverId}.sock`)}` }],
      holds,
    );
  const open = (stages: Partial<Stages> = {}) => (core = openCore({ routing: () => current, stages }));

  beforeEach(async () => {
    replacement = await startStandIn(join(bench.folder, 'new.sock'), (call) => answerJson(call, 'new'));
    current = towards('one');
  });

  afterEach(async () => {
    await core.close();
    await replacement.close();
  });

  test('between the plan and the connection: the new one is asked instead', async () => {
    current = towards('gone');
    const { upstreams } = open().core;
    const { lease } = upstreams;
    upstreams.lease = (destination) => {
      current = towards('new');
      return lease(destination);
    };
    const answer = await core.ask(question);
    expect(answer.status).toBe(200);
    expect(answer.trace.attempts).toMatchObject([
      { status: null, errorClass: 'connect_failed' },
      { status: 200, errorClass: null },
    ]);
    expect(replacement.calls).toHaveLength(1);
  });

  test('before the call was counted, is not asked any more', async () => {
    open({ meter: () => void (current = towards('new')) });
    const answer = await core.ask(question);
    expect([answer.status, answer.trace.attempts.length]).toEqual([200, 1]);
    expect([server.calls.length, replacement.calls.length]).toEqual([0, 1]);
  });

  test('and holds its requests before the call was counted: it waits like those that come later', async () => {
    let begun = (): void => undefined;
    const held = new Promise<void>((resolve) => (begun = resolve));
    open({
      meter: () => {
        if (current.holds.size === 0 && current.locals.get('tickets')?.serverId === 'one') {
          current = towards('one', [{ name: 'tickets', untilMs: Date.now() + 60_000 }]);
          begun();
        }
        return undefined;
      },
    });
    const asking = core.ask(question);
    await held;
    while (core.core.holds.waiting() === 0) await new Promise(setImmediate);
    current = towards('new');
    core.core.holds.changed();
    expect((await asking).status).toBe(200);
    expect([server.calls.length, replacement.calls.length]).toEqual([0, 1]);
  });

  test('while it had asked to come back later: the new one gets the question, not the one that may sleep by now', async () => {
    open();
    const asking = core.ask(question);
    const { answer } = await server.nextCall();
    current = towards('new');
    answer.writeHead(503, { 'retry-after': '0' }).end();
    expect((await asking).status).toBe(200);
    expect([server.calls.length, replacement.calls.length]).toEqual([1, 1]);
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
    await expect(bench.control.confirmRoute('tickets', { ...route, serverId: 'another' })).rejects.toMatchObject({
      code: 'GATEWAY_STALE',
    });
  });
});
