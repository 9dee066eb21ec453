// The whole gateway: a request that names a prompt, as the model server gets it.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, it } from 'vitest';

import { openTrafficForReading } from '../../../../src/ledger/traffic.js';
import { answerJson, postTo, startBench, startStandIn, type Bench, type StandIn } from '../stand-in.js';

let bench: Bench;
let server: StandIn;

beforeEach(async () => {
  bench = await startBench();
  server = await startStandIn(join(bench.folder, 'one.sock'), (call) => answerJson(call, 'Soon.'));
  await bench.route({ address: server.address, serverId: 'tickets-v1-a' });
  mkdirSync(join(bench.folder, 'prompts'));
  writeFileSync(
    join(bench.folder, 'prompts', 'answer.md'),
    '---\nvariables: { ticket: }\n---\n# user\nAnswer: {{ticket}}\n',
  );
});

afterEach(async () => {
  await server.close();
  await bench.close();
});

function ask(field: unknown) {
  return postTo(bench, '/v1/chat/completions', JSON.stringify({ model: 'tickets', messages: [], mlx_prompt: field }));
}

it('reaches the model server filled in, and is named in the traffic log', async () => {
  const { statusCode, body } = await ask({ name: 'answer', variables: { ticket: 'Where is it?' } });
  await body.dump();
  expect(statusCode).toBe(200);
  expect(JSON.parse(server.calls[0]?.body ?? '')).toEqual({
    model: 'tickets',
    messages: [{ role: 'user', content: 'Answer: Where is it?' }],
  });
  await bench.gateway.stop();
  const traffic = openTrafficForReading(join(bench.folder, 'traffic.db'));
  const rows = traffic?.database.prepare('SELECT prompt FROM requests').all();
  traffic?.close();
  expect(rows).toEqual([{ prompt: expect.stringMatching(/^answer@[0-9a-f]{12}$/) as string }]);
  await bench.restart();
});

it('is refused before any model server sees it when a variable is missing', async () => {
  const { statusCode, body } = await ask({ name: 'answer' });
  expect(statusCode).toBe(400);
  expect(await body.json()).toMatchObject({ error: { code: 'invalid_prompt', param: 'mlx_prompt' } });
  expect(server.calls).toEqual([]);
});
