import { join } from 'node:path';

import { request } from 'undici';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import {
  answerJson,
  postTo,
  question,
  refusal,
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

describe('an answer', () => {
  test('comes from the server of the route, which gets the body byte for byte', async () => {
    const asking = post('/v1/chat/completions', question);
    const call = await server.nextCall();
    expect(call.body).toBe(question);
    expect(call.path).toBe('/v1/chat/completions');
    answerJson(call, 'billing');
    const answer = await asking;
    expect(answer.statusCode).toBe(200);
    expect(answer.headers['x-mlx-version']).toBe('tickets:1');
    expect(answer.headers['x-request-id']).toMatch(/^req_/);
    expect(await answer.body.json()).toMatchObject({ choices: [{ message: { content: 'billing' } }] });
    await untilOpenRequestsAre(bench, {});
  });

  test('of the server that is an error passes with its status and text', async () => {
    const asking = post('/v1/chat/completions', question);
    const { answer } = await server.nextCall();
    answer.writeHead(400, { 'content-type': 'application/json' }).end('{"error":{"message":"too long"}}');
    const received = await asking;
    expect(received.statusCode).toBe(400);
    expect(await received.body.json()).toEqual({ error: { message: 'too long' } });
  });

  test.each([
    [404, '{"detail":"Not Found"}', 'unsupported_endpoint', 'does not offer /v1/chat/completions'],
    [422, '{"detail":[{"msg":"Field required"}]}', 'refused_by_server', 'Field required'],
    [500, 'Internal Server Error', 'upstream_failed', 'status 500'],
  ])("of the server that is an error of another shape (%i) is put into OpenAI's", async (status, sent, code, why) => {
    const asking = post('/v1/chat/completions', question);
    (await server.nextCall()).answer.writeHead(status, { 'content-type': 'application/json' }).end(sent);
    const answer = await refusal(await asking);
    expect(answer).toMatchObject({ status, code });
    expect(answer.message).toContain(why);
  });

  test('by an alias goes to its own server, which is asked for the model by its name', async () => {
    const staging = await startStandIn(join(bench.folder, 'two.sock'), (call) => answerJson(call, 'from staging'));
    await bench.route({ name: 'tickets@staging', version: 2, address: staging.address, serverId: 'tickets-v2-b' });
    const answer = await post('/v1/chat/completions', '{"model":"tickets@staging","n":1,"messages":[]}');
    expect(answer.headers['x-mlx-version']).toBe('tickets:2');
    await answer.body.dump();
    expect(JSON.parse(staging.calls[0]?.body ?? '')).toEqual({ model: 'tickets', n: 1, messages: [] });
    await staging.close();
  });

  test('is not asked for with anything of the client but its body and what it accepts', async () => {
    const asking = post('/v1/completions?api_base=http://evil', '{"model":"tickets","prompt":"Hi"}', {
      cookie: 'secret=1',
      'x-forwarded-for': '10.0.0.1',
      'proxy-authorization': 'Basic abc',
      te: 'trailers',
      accept: 'application/json',
    });
    const call = await server.nextCall();
    answerJson(call, '');
    await (await asking).body.dump();
    expect(call.path).toBe('/v1/completions');
    expect(Object.keys(call.headers).sort()).toEqual(
      ['accept', 'accept-encoding', 'connection', 'content-length', 'content-type', 'host', 'x-request-id'].sort(),
    );
  });

  test("does not carry headers of the server that are not the client's business", async () => {
    const asking = post('/v1/chat/completions', question);
    const { answer } = await server.nextCall();
    answer.writeHead(200, { 'content-type': 'application/json', 'set-cookie': 'a=b', server: 'uvicorn' }).end('{}');
    const { headers, body } = await asking;
    await body.dump();
    expect(headers).not.toHaveProperty('set-cookie');
    expect(headers).not.toHaveProperty('server');
  });
});

test('models are listed by the names that requests use', async () => {
  await bench.route({ name: 'tickets@staging', version: 2, address: server.address, serverId: 'tickets-v2-b' });
  const answer = await request(`${bench.url}/v1/models`, { headers: { authorization: `Bearer ${bench.key}` } });
  const list = (await answer.body.json()) as { data: { id: string }[] };
  expect(list.data.map((model) => model.id)).toEqual(['tickets', 'tickets@staging']);
});
