// Routes of mlx.yaml in the running gateway, with hosts that answer for real.
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { toConfig } from '../../../src/config/load.js';
import { configSchema } from '../../../src/config/schema.js';
import { answerChat, startOpenAiHost, type Host, type HostCall } from './fake-hosts.js';
import { answerJson, postTo, refusal, startBench, startStandIn, type Bench, type StandIn } from './stand-in.js';

let bench: Bench;
let host: Host;
let reply: (call: HostCall) => { status?: number; body: string };

const ask = (model: string, fields: object = {}) =>
  postTo(
    bench,
    '/v1/chat/completions',
    JSON.stringify({ model, messages: [{ role: 'user', content: 'Hi' }], ...fields }),
  );

beforeEach(async () => {
  reply = answerChat;
  host = await startOpenAiHost((call) => reply(call));
  bench = await startBench({
    config: withRoutes('  r: { primary: up/real }'),
    environment: { UP_KEY: 'sk-up-secret' },
  });
});

afterEach(async () => {
  await bench.close();
  await host.close();
});

function withRoutes(routes: string, upstream = 'key_env: UP_KEY'): string {
  return `upstreams:\n  up: { dialect: openai, url: "${host.url}", ${upstream} }\nroutes:\n${routes}\n`;
}

const dumped = async (asking: ReturnType<typeof ask>) => {
  const { statusCode, body } = await asking;
  await body.dump();
  return statusCode;
};

describe('a switch', () => {
  test('is taken over without a look into mlx.yaml, which is read afterwards if it was edited', async () => {
    let reads = 0;
    const counted = await startBench({
      readConfig: async () => {
        reads += 1;
        return toConfig(configSchema.parse({}), bench.folder);
      },
    });
    try {
      const before = reads;
      await counted.route({ address: 'unix:/one', serverId: 'one' });
      expect((await counted.control.readRows())?.routes.map(({ serverId }) => serverId)).toEqual(['one']);
      expect(reads).toBe(before);
      writeFileSync(join(counted.folder, 'mlx.yaml'), '# edited');
      await counted.route({ address: 'unix:/two', serverId: 'two' });
      expect(reads).toBe(before + 1);
      await counted.route({ address: 'unix:/one', serverId: 'one' });
      expect(reads).toBe(before + 1);
    } finally {
      await counted.close();
    }
  });
});

describe('a reload', () => {
  test('brings the new routes, and a wrong file leaves the old ones as they are', async () => {
    await bench.configure(withRoutes('  other: { primary: up/real }'));
    expect([await dumped(ask('other')), await dumped(ask('r'))]).toEqual([200, 404]);
    await bench.configure(withRoutes('  wrong: { primary: nowhere/x }'));
    expect((await bench.control.state())?.configProblem?.problems).toMatchObject([
      { line: 4, path: 'routes.wrong.primary' },
    ]);
    expect(await dumped(ask('other'))).toBe(200);
    await bench.configure(withRoutes('  wrong: { primary: up/real }'));
    expect((await bench.control.state())?.configProblem).toBeNull();
  });

  test('reads a key file again, and never one that others may read', async () => {
    const file = join(bench.folder, 'up.key');
    writeFileSync(file, 'sk-first\n', { mode: 0o600 });
    const config = withRoutes('  r: { primary: up/real }', 'key_file: up.key');
    await bench.configure(config);
    await dumped(ask('r'));
    writeFileSync(file, 'sk-second\n');
    await bench.configure(config);
    await dumped(ask('r'));
    expect(host.calls.map(({ headers }) => headers.authorization)).toEqual(['Bearer sk-first', 'Bearer sk-second']);
    chmodSync(file, 0o644);
    await bench.configure(config);
    const answer = await refusal(await ask('r'));
    expect(answer).toMatchObject({ status: 503, code: 'no_upstream' });
    expect(answer.message).toContain('chmod 600');
  });
});

describe('what is sent', () => {
  test('has the name that the upstream knows, and what the rewrite rules say', async () => {
    const rules = '{ drop: [seed], rename: { max_tokens: max_completion_tokens }, set: { temperature: 0 } }';
    await bench.configure(withRoutes(`  r: { primary: up/real, rewrite: ${rules} }`));
    await dumped(ask('r', { seed: 1, max_tokens: 5, temperature: 1, unknown_to_us: { a: [1] } }));
    expect(host.calls[0]?.body).toEqual({
      model: 'real',
      messages: [{ role: 'user', content: 'Hi' }],
      max_completion_tokens: 5,
      temperature: 0,
      unknown_to_us: { a: [1] },
    });
  });

  test('is byte for byte what the client sent when the names are the same', async () => {
    await bench.configure(withRoutes('  real: { primary: up/real }'));
    const odd = '{ "messages" : [ {"role":"user","content":"\\u00fc 1.0 1e2"} ],\n "temperature":1.0, "model":"real" }';
    await dumped(postTo(bench, '/v1/chat/completions', odd));
    expect(host.calls[0]?.text).toBe(odd);
  });
});

describe('what comes back', () => {
  test('never holds the key of the upstream, and its refusal of the key is not the client’s fault', async () => {
    reply = () => ({
      status: 401,
      body: '{"error":{"message":"Incorrect API key provided: sk-up-***ret","code":"invalid_api_key"}}',
    });
    const answer = await refusal(await ask('r'));
    expect(answer).toMatchObject({ status: 502, code: 'upstream_unauthorized' });
    reply = ({ headers }) => ({
      status: 400,
      body: JSON.stringify({ error: { message: `you sent ${headers.authorization}` } }),
    });
    expect((await refusal(await ask('r'))).message).toBe('you sent Bearer ***');
  });
});

describe('a canary', () => {
  test('takes its share of the keys, and each key always to the same side', async () => {
    await bench.configure(
      withRoutes('  r: { primary: up/old, canary: { target: up/new, percent: 30, sticky: header x-user } }'),
    );
    const sides = new Map<string, Set<unknown>>();
    for (let round = 0; round < 2; round += 1) {
      for (let user = 0; user < 60; user += 1) {
        const body = JSON.stringify({ model: 'r', messages: [] });
        await dumped(postTo(bench, '/v1/chat/completions', body, { 'x-user': `u${user}` }));
        const side = sides.get(`u${user}`) ?? new Set();
        sides.set(`u${user}`, side.add(host.calls.at(-1)?.body['model']));
      }
    }
    const chosen = [...sides.values()];
    expect(chosen.every((side) => side.size === 1)).toBe(true);
    const share = chosen.filter((side) => side.has('new')).length;
    expect(share).toBeGreaterThan(5);
    expect(share).toBeLessThan(32);
  });
});

describe('a shadow', () => {
  let own: StandIn;

  beforeEach(async () => {
    own = await startStandIn(join(bench.folder, 'own.sock'), (call) => answerJson(call, 'ours'));
    await bench.route({ address: own.address, serverId: 'tickets-a' });
  });

  afterEach(() => own.close());

  test('gets a copy, and neither its answer nor its failure reaches the client', async () => {
    await bench.configure(withRoutes('  r: { primary: local/tickets, shadow: { target: up/real } }'));
    reply = () => ({ status: 500, body: 'no' });
    const { body } = await ask('r');
    expect(await body.json()).toMatchObject({ choices: [{ message: { content: 'ours' } }] });
    while (host.calls.length === 0) await dumped(ask('nothing'));
    expect(host.calls[0]?.body).toMatchObject({ model: 'real' });
  });

  test('of a private route stays here: nothing reaches the host', async () => {
    await bench.configure(withRoutes('  r: { primary: local/tickets, fallback: [local/gone], data_class: private }'));
    for (let count = 0; count < 5; count += 1) expect(await dumped(ask('r'))).toBe(200);
    expect(host.calls).toHaveLength(0);
  });
});

test('requests beyond gateway.max_in_flight are told to come back', async () => {
  const slow = await startStandIn(join(bench.folder, 'slow.sock'));
  await bench.route({ address: slow.address, serverId: 'slow' });
  await bench.configure('gateway: { max_in_flight: 2 }\n');
  const open = [ask('tickets'), ask('tickets')];
  const calls = [await slow.nextCall(), await slow.nextCall()];
  const refused = await ask('tickets');
  expect(refused.headers['retry-after']).toBe('1');
  expect(await refusal(refused)).toMatchObject({ status: 503, code: 'overloaded' });
  for (const call of calls) answerJson(call, 'done');
  for (const answer of open) expect(await dumped(answer)).toBe(200);
  const after = ask('tickets');
  answerJson(await slow.nextCall(), 'again');
  expect(await dumped(after)).toBe(200);
  await slow.close();
});
