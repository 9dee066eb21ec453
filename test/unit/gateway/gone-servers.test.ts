// What clients are told of a model server that nobody answers at any more, and who learns of it.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { openAttendedServers, type AttendedServers, type Care } from '../../../src/gateway/gone-servers.js';
import type { Route } from '../../../src/ledger/promotions.js';
import { openCore, type CoreBench } from './core-bench.js';
import { chunkEvent, sse, startStandIn } from './stand-in.js';

const config = `
upstreams:
  elsewhere: { dialect: openai, url: 'http://127.0.0.1:1/v1', local: true }
routes:
  far: { primary: elsewhere/m }
`;

let folder: string;
let nowMs: number;
let gone: AttendedServers;
let reported: Set<string>;
let bench: CoreBench;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'mlx-gone-'));
  nowMs = 0;
  reported = new Set();
  gone = openAttendedServers(() => nowMs);
  const fixed = { name: 'tickets', model: 'tickets', version: 1, digest: 'sha256:1', engine: 'host' } as const;
  const route: Route = { ...fixed, serverId: 'v1-a', address: `unix:${join(folder, 'v1.sock')}`, updatedAtMs: 1 };
  bench = openCore({ config, rows: [route], gone, random: () => 0 });
});

afterEach(async () => {
  await bench.close();
  rmSync(folder, { recursive: true });
});

const attend = (): ((cares: readonly Care[]) => void) => gone.attend((serverId) => void reported.add(serverId));

type Said = { type?: string; error: { type: string; code?: string; message: string } };

async function refused(model = 'tickets', path = '/v1/chat/completions') {
  const asked = { model, max_tokens: 1, messages: [{ role: 'user', content: 'Hi' }] };
  const { status, headers, text, trace } = await bench.ask(asked, { path });
  const { error } = JSON.parse(text) as Said;
  return { status, retryAfter: headers['retry-after'], ...error, errorClass: trace.errorClass };
}

describe('a model server that nobody listens at', () => {
  test('is told of at once, and its clients are asked to come again: a 502 would be final to many', async () => {
    attend();
    expect(await refused()).toMatchObject({
      ...{
        status: 503,
        retryAfter: '5',
        code: 'server_restarting',
        type: 'server_error',
        errorClass: 'connect_failed',
      },
      message: 'The model server of tickets does not run right now; the gateway is looking after it. Try again in 5 s.',
    });
    expect([...reported]).toEqual(['v1-a']);
  });

  test('is said to be started again while it is, in either dialect, also when its breaker is open by then', async () => {
    const tell = attend();
    tell([{ serverId: 'v1-a', nextAtMs: null }]);
    const message = 'The model server of tickets is gone and is being started again. Try again in 5 s.';
    expect(await refused('tickets', '/v1/messages')).toMatchObject({ status: 503, type: 'overloaded_error', message });
    while (bench.core.breakers.stateOf('v1-a') === 'closed') await refused();
    expect(await refused()).toMatchObject({
      ...{ status: 503, retryAfter: '5', code: 'server_restarting', errorClass: 'breaker_open', message },
    });
  });

  test('and did not come up again: its clients are told when it is tried next', async () => {
    attend()([{ serverId: 'v1-a', nextAtMs: 60_000 }]);
    nowMs = 15_500;
    expect(await refused()).toMatchObject({ status: 503, retryAfter: '45' });
  });

  test('and is tried again much later: its clients come again before, for it may be started by hand', async () => {
    attend()([{ serverId: 'v1-a', nextAtMs: 600_000 }]);
    const message = expect.stringMatching(/Try again in 60 s\.$/) as string;
    expect(await refused()).toMatchObject({ status: 503, retryAfter: '60', code: 'server_restarting', message });
  });

  test('and has an open breaker is not told as gone: it may be back, and is asked again when the breaker lets one pass', async () => {
    attend()([{ serverId: 'v1-a', nextAtMs: 600_000 }]);
    while (bench.core.breakers.stateOf('v1-a') === 'closed') await refused();
    expect(await refused()).toMatchObject({
      ...{ status: 503, code: 'no_upstream', errorClass: 'breaker_open' },
      retryAfter: expect.stringMatching(/^([89]|10)$/) as string,
      message: expect.stringMatching(
        /: its model server failed too often just now; it is tried again in \d+ s\.$/,
      ) as string,
    });
  });

  test('and has nobody who looks after it is told as before', async () => {
    expect(await refused()).toMatchObject({ status: 502, code: 'upstream_failed', retryAfter: undefined });
  });

  test('on another host is nothing that is looked after here', async () => {
    attend();
    expect(await refused('far')).toMatchObject({ status: 502, code: 'upstream_failed' });
    expect([...reported]).toEqual([]);
  });
});

test('with an open breaker, clients are told how long it stays open', async () => {
  while (bench.core.breakers.stateOf('v1-a') === 'closed') await refused();
  expect(await refused()).toMatchObject({ status: 503, code: 'no_upstream', retryAfter: '10' });
});

describe('a model server that breaks off', () => {
  test.each([[false], [true]])('is looked after, and its answer is not whole (stream: %s)', async (stream) => {
    attend();
    const server = await startStandIn(join(folder, 'v1.sock'), ({ answer }) => {
      if (stream) answer.writeHead(200, sse).write(chunkEvent('a part'), () => answer.destroy());
      else answer.destroy();
    });
    const { status, text } = await bench.ask({ model: 'tickets', stream, messages: [] });
    expect([status, text]).toEqual(stream ? [200, expect.stringContaining('broke off')] : [502, expect.anything()]);
    expect([...reported]).toEqual(['v1-a']);
    await server.close();
  });

  test.each([
    [600_000, 502, 'upstream_failed', 'broke off before its answer'],
    [null, 503, 'server_restarting', 'is gone and is being started again'],
  ])(
    'is there, and called gone only while it is started again (next try: %s)',
    async (nextAtMs, status, code, words) => {
      attend()([{ serverId: 'v1-a', nextAtMs }]);
      const server = await startStandIn(join(folder, 'v1.sock'), ({ answer }) => void answer.destroy());
      const message = expect.stringContaining(words) as string;
      expect(await refused()).toMatchObject({ status, code, message, errorClass: 'broken' });
      await server.close();
    },
  );
});
