// Two versions in one model server: each is asked under its own name, and clients read the model's.
import { join } from 'node:path';

import { afterEach, beforeEach, expect, test } from 'vitest';

import { postTo, question, sse, startBench, startStandIn, type Bench, type StandIn } from './stand-in.js';

const name = 'tickets-v2-3f9a';
let bench: Bench;
let server: StandIn;

beforeEach(async () => {
  bench = await startBench();
  server = await startStandIn(join(bench.folder, 'one.sock'));
  await bench.route({ address: server.address, serverId: name, servedName: name, version: 2 });
});

afterEach(async () => {
  await server.close();
  await bench.close();
});

const content = JSON.stringify(`{"model":"${name}"} and "model": "${name}"`);
const body = `{"id":"1","model":"${name}","choices":[{"message":{"role":"assistant","content":${content}},"finish_reason":"stop"}]}`;

test('the server reads its own name for the version, the client the name that it asked for', async () => {
  const asking = postTo(bench, '/v1/chat/completions', question);
  const call = await server.nextCall();
  expect(JSON.parse(call.body)).toEqual({ ...(JSON.parse(question) as object), model: name });
  call.answer.writeHead(200, { 'content-type': 'application/json' }).end(body);
  const answer = await asking;
  expect(answer.headers['x-mlx-version']).toBe('tickets:2');
  // What the model itself says stays as it is, even where it looks like the field.
  expect(await answer.body.text()).toBe(body.replace(`"model":"${name}"`, '"model":"tickets"'));
});

test('so does every event of a stream', async () => {
  const asking = postTo(bench, '/v1/chat/completions', question);
  const { answer } = await server.nextCall();
  const event = (served: string, text: string, finish: string | null) =>
    `data: {"model": "${served}", "choices":[{"index":0,"delta":{"content":"${text}"},"finish_reason":${JSON.stringify(finish)}}]}\n\n`;
  const stream = (served: string) => `${event(served, 'a', null)}${event(served, 'b', 'stop')}data: [DONE]\n\n`;
  answer.writeHead(200, sse).end(stream(name));
  expect(await (await asking).body.text()).toBe(stream('tickets'));
});

test('two versions in one server have their open requests counted apart', async () => {
  const asking = postTo(bench, '/v1/chat/completions', question);
  const first = await server.nextCall();
  await bench.route({
    address: server.address,
    serverId: 'tickets-v3-11aa',
    servedName: 'tickets-v3-11aa',
    version: 3,
  });
  const later = postTo(bench, '/v1/chat/completions', question);
  const second = await server.nextCall();
  expect((await bench.control.state())?.inFlight).toEqual({ [name]: 1, 'tickets-v3-11aa': 1 });
  expect((JSON.parse(second.body) as { model: string }).model).toBe('tickets-v3-11aa');
  for (const { answer } of [first, second]) answer.writeHead(200, { 'content-type': 'application/json' }).end(body);
  for (const answer of [await asking, await later]) await answer.body.dump();
});
