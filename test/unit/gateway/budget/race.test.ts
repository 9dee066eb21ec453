// Budgets of a whole gateway under many requests at once that end in every way: over real sockets, against a server that counts.
import { join } from 'node:path';

import { afterEach, beforeEach, expect, test } from 'vitest';

import { makeKey } from '../../../../src/gateway/keys/secret.js';
import { insertKey, type Limits } from '../../../../src/ledger/keys.js';
import { openTrafficForReading } from '../../../../src/ledger/traffic.js';
import {
  chunkEvent,
  plainMetering,
  postTo,
  sse,
  startBench,
  startStandIn,
  untilOpenRequestsAre,
  type Bench,
  type Call,
  type StandIn,
} from '../stand-in.js';

let bench: Bench;
let server: StandIn;
/** What the server says that it used. */
let counted: { input: number; output: number };

beforeEach(async () => {
  counted = { input: 0, output: 0 };
  bench = await startBench({
    metering: plainMetering({ prices: { 'local/tickets': { input: 1_000, output: 10_000 } } }),
  });
  server = await startStandIn(join(bench.folder, 'one.sock'), answer);
  await bench.route({ address: server.address, serverId: 'tickets-v1-a' });
});

afterEach(async () => {
  await server.close();
  await bench.close();
});

type Way = 'whole' | 'stream' | 'breaks' | 'leaves';
const ways: readonly Way[] = ['whole', 'stream', 'breaks', 'leaves'];
const answering: readonly Way[] = ['whole', 'stream', 'leaves'];

/** Each call says how it is going to end. */
function answer({ body, answer: outgoing }: Call): void {
  const { user: way, max_tokens: most } = JSON.parse(body) as { user: Way; max_tokens: number };
  if (way === 'breaks') return void outgoing.destroy();
  if (way === 'leaves') return void outgoing.writeHead(200, sse).write(chunkEvent('a'));
  const usage = { prompt_tokens: 5, completion_tokens: most };
  counted = { input: counted.input + usage.prompt_tokens, output: counted.output + usage.completion_tokens };
  if (way === 'whole') {
    const text = JSON.stringify({ choices: [{ message: { content: 'a' }, finish_reason: 'stop' }], usage });
    return void outgoing.writeHead(200, { 'content-type': 'application/json' }).end(text);
  }
  const last = `data: ${JSON.stringify({ choices: [], usage })}\n\ndata: [DONE]\n\n`;
  outgoing.writeHead(200, sse).end(chunkEvent('a') + chunkEvent('b', 'stop') + last);
}

/** @returns the status; 0 for a client that left */
async function ask(way: Way, mostTokens: number, headers: Record<string, string>): Promise<number> {
  const streamed = way === 'stream' || way === 'leaves';
  const body = { model: 'tickets', messages: [], max_tokens: mostTokens, stream: streamed, user: way };
  const leaving = new AbortController();
  const { statusCode, body: said } = await postTo(
    bench,
    '/v1/chat/completions',
    JSON.stringify(body),
    headers,
    leaving.signal,
  );
  if (way !== 'leaves' || statusCode !== 200) {
    await said.dump();
    return statusCode;
  }
  await said[Symbol.asyncIterator]().next();
  leaving.abort();
  return 0;
}

async function addKey(limits: Partial<Limits> = {}): Promise<Record<string, string>> {
  const { id, sha256, text } = makeKey();
  const none = { usdPerDay: null, usdPerMonth: null, tokensPerDay: null, tokensPerMonth: null };
  const all = { ...none, requestsPerMinute: null, tokensPerMinute: null, ...limits };
  insertKey(bench.ledger, {
    id,
    sha256,
    name: null,
    tenant: null,
    features: [],
    models: [],
    createdAtMs: 1,
    limits: all,
  });
  await bench.control.reload();
  return { authorization: `Bearer ${text}` };
}

type Row = {
  status: number;
  cost_usd: number | null;
  input_tokens: number | null;
  output_tokens: number | null;
  estimated: number;
};

/** Once all of them are there: they are written in batches. */
async function rows(count: number): Promise<Row[]> {
  for (;;) {
    const traffic = openTrafficForReading(join(bench.folder, 'traffic.db'));
    const found = (traffic?.database.prepare('SELECT * FROM requests').all() ?? []) as Row[];
    traffic?.close();
    if (found.length >= count) return found;
    await new Promise(setImmediate);
  }
}

test('200 requests at once, whole, streamed, broken and left, spend no cent more than the budget of ten', async () => {
  // A request promises and costs a little over a dollar: 100 tokens at 0.01, and its prompt.
  const key = await addKey({ usdPerDay: 11 });
  const asked = Array.from({ length: 200 }, (_, index) => ask(ways[index % 4] ?? 'whole', 100, key));
  const statuses = await Promise.all(asked);
  const written = await rows(200);
  const spent = written.reduce((sum, row) => sum + (row.cost_usd ?? 0), 0);
  expect(spent).toBeGreaterThan(0);
  expect(spent).toBeLessThanOrEqual(11);
  expect(statuses.filter((status) => status === 429).length).toBeGreaterThan(150);
  await untilOpenRequestsAre(bench, {});
  const [budget] = (await bench.control.state())?.budgets ?? [];
  expect(budget?.reserved).toBe(0);
  expect(budget?.used).toBeCloseTo(spent, 6);
  // What was promised by a gateway that is gone is not promised by the next.
  await bench.restart();
  const [after] = (await bench.control.state())?.budgets ?? [];
  expect(after?.reserved).toBe(0);
  expect(after?.used).toBeCloseTo(spent, 6);
});

test('395 mixed requests are counted to the token as the server counts them, and who leaves a stream pays for it', async () => {
  const key = await addKey({ tokensPerDay: 10_000_000 });
  for (let wave = 0; wave < 10; wave += 1) {
    const sized = (index: number): number => 1 + wave + index;
    await Promise.all(
      Array.from({ length: 39 }, (_, index) => ask(answering[index % 3] ?? 'whole', sized(index), key)),
    );
  }
  // Few: a server that breaks half of its answers is not asked any more.
  for (let broken = 0; broken < 5; broken += 1) expect(await ask('breaks', 1, key)).toBe(502);
  const written = await rows(395);
  const told = written.filter(({ estimated, status }) => estimated === 0 && status === 200);
  const sum = (count: (row: Row) => number | null): number => told.reduce((total, row) => total + (count(row) ?? 0), 0);
  expect(told).toHaveLength(260);
  expect({ input: sum((row) => row.input_tokens), output: sum((row) => row.output_tokens) }).toEqual(counted);
  const left = written.filter(({ estimated }) => estimated === 1);
  expect(left).toHaveLength(130);
  expect(left.every((row) => (row.output_tokens ?? 0) > 0)).toBe(true);
  const all = written.reduce((total, row) => total + (row.input_tokens ?? 0) + (row.output_tokens ?? 0), 0);
  const [budget] = (await bench.control.state())?.budgets ?? [];
  expect(budget).toMatchObject({ reserved: 0, used: all });
});
