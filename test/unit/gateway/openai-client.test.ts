// The official client, as an application uses it.
import { join } from 'node:path';

import OpenAI from 'openai';
import { afterEach, beforeEach, expect, test } from 'vitest';

import {
  answerJson,
  chunkEvent,
  sse,
  startBench,
  startStandIn,
  type Bench,
  type Call,
  type StandIn,
} from './stand-in.js';

let bench: Bench;
let server: StandIn;
let client: OpenAI;

beforeEach(async () => {
  bench = await startBench();
  server = await startStandIn(join(bench.folder, 'one.sock'), answer);
  await bench.route({ address: server.address, serverId: 'tickets-v1-a' });
  client = new OpenAI({ baseURL: `${bench.url}/v1`, apiKey: bench.key, maxRetries: 0 });
});

afterEach(async () => {
  await server.close();
  await bench.close();
});

/** As a model server would: a stream when asked for one; it breaks off at the word `break`. */
function answer(call: Call): void {
  const { stream, messages } = JSON.parse(call.body) as { stream?: boolean; messages: { content: string }[] };
  if (!stream) return answerJson(call, 'billing');
  call.answer.writeHead(200, sse);
  call.answer.write(chunkEvent('bil') + chunkEvent('ling'), () => {
    if (messages[0]?.content === 'break') call.answer.destroy();
    else call.answer.end(chunkEvent('', 'stop'));
  });
}

function ask(content: string) {
  return { model: 'tickets', messages: [{ role: 'user' as const, content }] };
}

test('gets an answer', async () => {
  const completion = await client.chat.completions.create(ask('Where is my invoice?'));
  expect(completion.choices[0]?.message.content).toBe('billing');
  expect(completion._request_id).toMatch(/^req_/);
});

test('gets a stream', async () => {
  const stream = await client.chat.completions.create({ ...ask('Where is my invoice?'), stream: true });
  let text = '';
  for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? '';
  expect(text).toBe('billing');
});

test('raises an error where a stream breaks off', async () => {
  const stream = await client.chat.completions.create({ ...ask('break'), stream: true });
  await expect(async () => {
    for await (const chunk of stream) expect(chunk).toBeDefined();
  }).rejects.toMatchObject({ code: 'upstream_failed' });
});

test('sees our refusals as its own kinds of error', async () => {
  const stranger = new OpenAI({ baseURL: `${bench.url}/v1`, apiKey: 'sk-wrong', maxRetries: 0 });
  await expect(stranger.chat.completions.create(ask('?'))).rejects.toBeInstanceOf(OpenAI.AuthenticationError);
  await expect(client.chat.completions.create({ ...ask('?'), model: 'gpt-4o' })).rejects.toBeInstanceOf(
    OpenAI.NotFoundError,
  );
});

test('lists the models', async () => {
  const models = await client.models.list();
  expect(models.data.map((model) => model.id)).toEqual(['tickets']);
});
