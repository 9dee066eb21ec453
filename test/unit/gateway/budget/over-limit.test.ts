// What a client is told that asks for more than a whole limit: no waiting helps, so nothing says when to come back.
import { join } from 'node:path';

import OpenAI from 'openai';
import { afterEach, beforeEach, expect, test } from 'vitest';

import { insertRun } from '../../../../src/ledger/runs.js';
import { insertVersion } from '../../../../src/ledger/versions.js';
import { plainMetering, postTo, refusal, startBench, startStandIn, type Bench, type StandIn } from '../stand-in.js';

let bench: Bench;
let server: StandIn;

beforeEach(async () => {
  bench = await startBench({ metering: limited({ tokens_per_day: 500, requests_per_minute: 100 }) });
  server = await startStandIn(join(bench.folder, 'one.sock'));
  await bench.route({ address: server.address, serverId: 'tickets-v1-a' });
});

afterEach(async () => {
  await server.close();
  await bench.close();
});

function limited(everything: object) {
  return plainMetering({ budgets: { everything } });
}

const messages = [{ role: 'user' as const, content: 'Hello' }];
const ask = (fields: object, path = '/v1/chat/completions') =>
  postTo(bench, path, JSON.stringify({ model: 'tickets', messages, ...fields }));

test('it says what to lower or whom to ask, and not when to come back', async () => {
  const refused = await ask({ max_tokens: 600 });
  expect(refused.headers).not.toHaveProperty('retry-after');
  expect(refused.headers).toMatchObject({ 'x-should-retry': 'false' });
  const said = await refusal(refused);
  expect(said).toMatchObject({ status: 429, type: 'insufficient_quota', code: 'insufficient_quota' });
  expect(said.message).toMatch(
    /^The limit of this gateway, 500 tokens a day, is less than this request alone may need at most \(6\d\d\), now or later\. /,
  );
  expect(said.message).toContain('does not help to wait: lower max_tokens, or ask whoever runs this gateway');
});

const long = 'x'.repeat(2000);

test.each([
  { fields: {}, path: 'chat/completions', helps: 'set max_tokens, without which a long answer is reckoned with' },
  { fields: { max_completion_tokens: 600 }, path: 'chat/completions', helps: 'lower max_completion_tokens' },
  { fields: { input: 'Hello' }, path: 'responses', helps: 'set max_output_tokens' },
  { fields: { input: long }, path: 'embeddings', helps: 'send less at once, or ask' },
  {
    fields: { messages: [{ role: 'user', content: long }] },
    path: 'chat/completions',
    helps: 'nor a smaller max_tokens alone: send less',
  },
  { fields: { n: 1000 }, path: 'chat/completions', helps: 'ask for fewer answers at once' },
])('to $path it says what helps: $helps', async ({ fields, path, helps }) => {
  expect((await refusal(await ask(fields, `/v1/${path}`))).message).toContain(helps);
});

test('a limit of nothing is not about the request', async () => {
  await bench.restart(limited({ tokens_per_month: 0 }));
  const said = await refusal(await ask({ max_tokens: 1 }));
  expect(said.message).toMatch(/allows no request at all, now or later\. It does not help to wait: ask whoever/);
});

test('of two limits the one that no waiting helps against is told', async () => {
  await bench.restart(limited({ tokens_per_day: 150, tokens_per_month: 120 }));
  const inFlight = ask({ max_tokens: 60 });
  await server.nextCall();
  expect((await refusal(await ask({ max_tokens: 105 }))).message).toContain('120 tokens a month, is less than');
  server.calls[0]?.answer.end('{}');
  await (await inFlight).body.dump();
});

test("OpenAI's client asks once and gives up", async () => {
  let asked = 0;
  const counted: typeof fetch = (...request) => {
    asked += 1;
    return fetch(...request);
  };
  const openai = new OpenAI({ baseURL: `${bench.url}/v1`, apiKey: bench.key, maxRetries: 2, fetch: counted });
  await expect(openai.chat.completions.create({ model: 'tickets', messages, max_tokens: 600 })).rejects.toMatchObject({
    status: 429,
    code: 'insufficient_quota',
  });
  expect(asked).toBe(1);
});

test('the window of the model server is the most that an answer may need', async () => {
  await bench.restart(limited({ tokens_per_day: 1_100 }));
  expect((await refusal(await ask({}))).message).toContain('may need at most (4');
  const trained = { engine: 'host', baseModel: 'b', baseCommit: 'c' } as const;
  const recipe = { recipe: 't', recipeFile: 't', method: 'lora', seed: 1, owner: null, startedAtMs: 1 } as const;
  insertRun(bench.ledger, { id: 'run-1', ...trained, ...recipe });
  const version = { model: 'tickets', version: 1, digest: 'sha256:1', runId: 'run-1', sizeBytes: 1, createdAtMs: 1 };
  insertVersion(bench.ledger, { ...version, ...trained, settings: JSON.stringify({ max_model_len: 1024 }) });
  await bench.control.readRows();
  const asking = ask({});
  (await server.nextCall()).answer.end('{}');
  expect((await asking).statusCode).toBe(200);
  await (await asking).body.dump();
});
