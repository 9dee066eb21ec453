// A whole gateway that counts: rows of the traffic log, budgets that hold, and what a client sees of both.
import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

import Anthropic from '@anthropic-ai/sdk';
import { Client, request } from 'undici';
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest';

import { makeKey } from '../../../src/gateway/keys/secret.js';
import { insertKey, type Limits } from '../../../src/ledger/keys.js';
import { openTrafficForReading } from '../../../src/ledger/traffic.js';
import {
  chunkEvent,
  plainMetering,
  postTo,
  refusal,
  sse,
  startBench,
  startStandIn,
  type Bench,
  type StandIn,
} from './stand-in.js';

let bench: Bench;
let server: StandIn;
const warnings: string[] = [];
const prices = { 'local/tickets': { input: 1_000, output: 10_000, cached_input: 100 } };

beforeEach(async () => {
  warnings.length = 0;
  bench = await startBench({ metering: plainMetering({ prices }), warn: (line) => warnings.push(line) });
  server = await startStandIn(join(bench.folder, 'one.sock'));
  await bench.route({ address: server.address, serverId: 'tickets-v1-a' });
});

afterEach(async () => {
  await server.close();
  await bench.close();
});

const noLimits: Limits = {
  ...{ usdPerDay: null, usdPerMonth: null, tokensPerDay: null },
  ...{ tokensPerMonth: null, requestsPerMinute: null, tokensPerMinute: null },
};

async function addKey(limits: Partial<Limits> = {}) {
  const fresh = makeKey();
  const plain = { name: null, tenant: 'acme', features: ['search'], models: [], createdAtMs: Date.now() };
  insertKey(bench.ledger, { ...plain, id: fresh.id, sha256: fresh.sha256, limits: { ...noLimits, ...limits } });
  await bench.control.reload();
  return { id: fresh.id, headers: { authorization: `Bearer ${fresh.text}` } };
}

const usage = { prompt_tokens: 1000, completion_tokens: 100, prompt_tokens_details: { cached_tokens: 500 } };
const body = (fields: object = {}) => JSON.stringify({ model: 'tickets', max_tokens: 100, messages: [], ...fields });

async function ask(headers: Record<string, string>, fields: object = {}) {
  const asking = postTo(bench, '/v1/chat/completions', body(fields), headers);
  const { answer } = await server.nextCall();
  answer.writeHead(200, { 'content-type': 'application/json' });
  answer.end(JSON.stringify({ choices: [{ message: { content: 'a secret answer' }, finish_reason: 'stop' }], usage }));
  return (await asking).body.json();
}

/** Rows, once so many are there: they are written a moment after the answer. */
async function rows(count: number): Promise<Record<string, unknown>[]> {
  for (;;) {
    const traffic = openTrafficForReading(join(bench.folder, 'traffic.db'));
    const found = (traffic?.database
      .prepare('SELECT requests.*, price FROM requests LEFT JOIN prices ON prices.id = price_id ORDER BY requests.id')
      .all() ?? []) as Record<string, unknown>[];
    traffic?.close();
    if (found.length >= count) return found;
    await (await request(`${bench.url}/health`)).body.dump();
  }
}

describe('a request leaves a row', () => {
  test('with its key, tokens, cost and the price it was charged by, and nothing that was said', async () => {
    const key = await addKey();
    await ask(key.headers, { messages: [{ role: 'user', content: 'a secret question' }] });
    const [row] = await rows(1);
    expect(row).toMatchObject({
      ...{ operation: 'chat', dialect: 'openai', stream: 0, route: 'tickets', upstream: 'local', model: 'tickets' },
      ...{ version: 'tickets:1', digest: 'sha256:1', key_id: key.id, tenant: 'acme', feature: 'search' },
      ...{ input_tokens: 1000, output_tokens: 100, cached_input_tokens: 500, estimated: 0 },
      ...{ status: 200, end: 'complete', error_class: null, finish_reason: 'stop' },
      // 500 fresh at 0.001, 500 cached at 0.0001, 100 out at 0.01.
      cost_usd: 0.5 + 0.05 + 1,
    });
    expect(JSON.parse(String(row?.['price']))).toMatchObject({ source: 'mlx.yaml', input: 1000, cached_input: 100 });
    expect(JSON.parse(String(row?.['attempts']))).toMatchObject([{ upstream: 'local', status: 200 }]);
    expect(JSON.stringify(row)).not.toContain('secret');
  });

  test('also when it was refused, with the reason', async () => {
    await (await postTo(bench, '/v1/chat/completions', body(), { authorization: 'Bearer wrong' })).body.dump();
    await (await postTo(bench, '/v1/chat/completions', 'no JSON')).body.dump();
    expect(await rows(2)).toMatchObject([
      { status: 401, key_id: null, error_class: 'status_401', input_tokens: null, cost_usd: null },
      { status: 400, key_id: 'owner', error_class: 'status_400' },
    ]);
  });

  test('of a stream, whose tokens only we asked for: the client sees its own events alone', async () => {
    const asking = postTo(bench, '/v1/chat/completions', body({ stream: true }));
    const call = await server.nextCall();
    expect(JSON.parse(call.body)).toMatchObject({ stream_options: { include_usage: true } });
    const events = [chunkEvent('bil'), chunkEvent('ling', 'stop')];
    call.answer.writeHead(200, sse);
    call.answer.end(`${events.join('')}data: {"choices":[],"usage":${JSON.stringify(usage)}}\n\ndata: [DONE]\n\n`);
    expect(await (await asking).body.text()).toBe(`${events.join('')}data: [DONE]\n\n`);
    expect(await rows(1)).toMatchObject([{ stream: 1, input_tokens: 1000, output_tokens: 100, finish_reason: 'stop' }]);
  });

  test('of a stream that broke off, with tokens that are estimated and said to be', async () => {
    const asking = postTo(
      bench,
      '/v1/chat/completions',
      body({ stream: true, stream_options: { include_usage: true } }),
    );
    const { answer } = await server.nextCall();
    answer.writeHead(200, sse).write(Array.from({ length: 7 }, () => chunkEvent('word')).join(''));
    const received = await asking;
    answer.destroy();
    await received.body.text();
    expect(await rows(1)).toMatchObject([{ estimated: 1, output_tokens: 7, end: 'broken' }]);
  });
});

test('streams that are cut off at the end of the gateway leave their rows', async () => {
  await server.close();
  await bench.close();
  bench = await startBench({ metering: plainMetering({ prices }), drainTimeoutMs: 50 });
  server = await startStandIn(join(bench.folder, 'one.sock'));
  await bench.route({ address: server.address, serverId: 'tickets-v1-a' });
  const asking = Array.from({ length: 3 }, () => postTo(bench, '/v1/chat/completions', body({ stream: true })));
  for (let count = 0; count < asking.length; count += 1)
    (await server.nextCall()).answer.writeHead(200, sse).write(chunkEvent('word'));
  for (const { body: stream } of await Promise.all(asking)) stream.on('error', () => undefined).resume();
  await bench.restart();
  expect((await rows(3)).map(({ end, stream }) => [end, stream])).toEqual(Array(3).fill(['gone', 1]));
});

describe('a budget', () => {
  test('stops hard, says until when, and is the same after a restart', async () => {
    const key = await addKey({ usdPerDay: 3 });
    await ask(key.headers);
    expect(warnings).toEqual([]);
    const refused = await postTo(bench, '/v1/chat/completions', body({ max_tokens: 200 }), key.headers);
    expect(refused.headers).toMatchObject({ 'x-should-retry': 'false' });
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
    const said = await refusal(refused);
    expect(said).toMatchObject({ status: 429, code: 'insufficient_quota' });
    expect(said.message).toMatch(/3\.0000 USD a day.*\(1\.5500\).*begins anew at \d{4}-\d\d-\d\dT00:00:00\.000Z/);
    expect(server.calls).toHaveLength(1);
    expect(warnings).toEqual([expect.stringContaining(`key:${key.id} is refused`)]);
    await bench.restart();
    const again = await refusal(await postTo(bench, '/v1/chat/completions', body({ max_tokens: 200 }), key.headers));
    expect(again.message).toContain('(1.5500)');
    await ask(key.headers);
    await rows(4);
    expect(warnings.at(-1)).toContain(`key:${key.id} has used $3.10 of $3.00`);
  });

  test('that is smaller than what one request may need says so, and the refusal counts for its route', async () => {
    const key = await addKey({ tokensPerDay: 5 });
    const refused = await postTo(bench, '/v1/chat/completions', body({ max_tokens: 200 }), key.headers);
    const said = await refusal(refused);
    expect(said.message).toMatch(/5 tokens a day, is less than this request alone may need at most \(2\d\d\)/);
    expect(await rows(1)).toMatchObject([{ status: 429, route: 'tickets', error_class: 'budget_exceeded' }]);
  });

  test('that is used up is a 402 in Anthropic words, which its client neither retries nor takes for a rate limit', async () => {
    const key = await addKey({ usdPerDay: 3 });
    await ask(key.headers);
    const apiKey = key.headers.authorization.replace('Bearer ', '');
    const asking = new Anthropic({ baseURL: bench.url, apiKey, maxRetries: 2 }).messages.create({
      ...{ model: 'tickets', max_tokens: 200, messages: [{ role: 'user', content: 'Hello' }] },
    });
    await expect(asking).rejects.toMatchObject({
      status: 402,
      error: {
        type: 'error',
        error: { type: 'billing_error', message: expect.stringContaining('begins anew at') as string },
        request_id: expect.stringMatching(/^req_/) as string,
      },
    });
    expect(await rows(2)).toMatchObject([{ status: 200 }, { status: 402, error_class: 'budget_exceeded' }]);
    expect(server.calls).toHaveLength(1);
  });

  test('refuses who asks again at once, where the answer used more than was promised', async () => {
    const key = await addKey({ tokensPerDay: 1_100 });
    await ask(key.headers, { max_tokens: 10 });
    const again = await refusal(await postTo(bench, '/v1/chat/completions', body({ max_tokens: 10 }), key.headers));
    expect(again).toMatchObject({ status: 429, code: 'insufficient_quota' });
  });

  test('gives back what was promised when the server fails before a byte', async () => {
    const key = await addKey({ usdPerDay: 3 });
    for (let index = 0; index < 4; index += 1) {
      const asking = postTo(bench, '/v1/chat/completions', body({ max_tokens: 250 }), key.headers);
      (await server.nextCall()).answer.destroy();
      expect((await asking).statusCode).toBe(502);
      await (await asking).body.dump();
    }
    await ask(key.headers, { max_tokens: 250 });
    expect((await rows(5)).map((row) => row['cost_usd'])).toEqual([null, null, null, null, 1.55]);
  });

  test('holds while many ask at once: no more is promised than there is', async () => {
    const key = await addKey({ usdPerDay: 2.9 });
    const asking = Array.from({ length: 20 }, () => postTo(bench, '/v1/chat/completions', body(), key.headers));
    const [one, other] = [await server.nextCall(), await server.nextCall()];
    for (const { answer } of [one, other])
      answer.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ usage }));
    const answers = await Promise.all(asking);
    expect(answers.filter(({ statusCode }) => statusCode === 200)).toHaveLength(2);
    for (const { body: rest } of answers) await rest.dump();
    expect(server.calls).toHaveLength(2);
  });

  test('that ends is posted to the webhook', async () => {
    const posted: string[] = [];
    const receiver = createServer((incoming, outgoing) => {
      incoming.setEncoding('utf8').on('data', (text: string) => posted.push(text));
      incoming.on('end', () => outgoing.end());
    }).listen(0, '127.0.0.1');
    await once(receiver, 'listening');
    onTestFinished(() => void receiver.close());
    const webhook = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/alerts?x=1`;
    await bench.restart(
      plainMetering({ prices, alerts: { webhook }, budgets: { tenants: { acme: { usd_per_day: 1 } } } }),
    );
    const key = await addKey();
    await (await postTo(bench, '/v1/chat/completions', body(), key.headers)).body.dump();
    await once(receiver, 'request');
    while (posted.length === 0) await (await request(`${bench.url}/health`)).body.dump();
    expect(JSON.parse(posted.join(''))).toMatchObject({
      event: 'budget_alert',
      level: 'hard',
      account: 'tenant:acme',
      allowed: 1,
    });
  });
});

describe('metrics', () => {
  test("are shown to the gateway's own key alone, and on the control socket", async () => {
    const key = await addKey();
    await ask(key.headers);
    await rows(1);
    const get = async (headers: Record<string, string>) => {
      const answer = await request(`${bench.url}/metrics`, { headers });
      return { status: answer.statusCode, text: await answer.body.text() };
    };
    const mine = await get({ authorization: `Bearer ${bench.key}` });
    expect(mine.status).toBe(200);
    expect(mine.text).toContain(
      'mlx_gateway_requests_total{mlx_route="tickets",mlx_tenant="acme",mlx_feature="search",status="200"} 1',
    );
    expect(await get(key.headers)).toMatchObject({ status: 403 });
    expect(await get({})).toMatchObject({ status: 401 });
    const control = new Client('http://localhost', { socketPath: join(bench.folder, 'gateway.sock') });
    const { body: text } = await control.request({ method: 'GET', path: '/metrics' });
    expect(await text.text()).toContain('mlx_gateway_requests_total');
    await control.close();
  });
});
