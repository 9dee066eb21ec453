// Several workers behind one address, as real processes: what must be exact over all of them, and what happens when one is killed.
import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

import { Client, type Dispatcher } from 'undici';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { projectPaths } from '../../src/config/paths.js';
import { journalFile } from '../../src/capture/store.js';
import { ownerOf } from '../../src/engine/owner.js';
import { freePort } from '../../src/engine/port.js';
import type { GatewayState } from '../../src/gateway/control-api.js';
import { gatewayControl, type GatewayControl } from '../../src/gateway/control.js';
import { revokeKey } from '../../src/ledger/keys.js';
import { setRoute, type Route } from '../../src/ledger/promotions.js';
import { openCaptureJournal } from '../../src/ledger/captures.js';
import { openTrafficForReading } from '../../src/ledger/traffic.js';
import { mlx, mlxJson } from '../command/mlx.js';
import { project, type Place } from '../command/runs-project.js';
import { chunkEvent, sse, startStandIn, type Call, type StandIn } from '../unit/gateway/stand-in.js';

let place: Place;
let environment: NodeJS.ProcessEnv;
let port: number;
let control: GatewayControl;
let server: StandIn;
let clients: Client[];

/** One dollar a request: a hundred tokens of output, asked for and answered. */
const prices = 'prices: { local/tickets: { input: 0, output: 10000 } }';

beforeEach(async () => {
  place = project();
  port = await freePort();
  clients = [];
  environment = { MLX_GATEWAY_PORT: String(port) };
  writeFileSync(join(place.folder, 'mlx.yaml'), `engine: host\ngateway: { workers: 3, ${prices} }\n`);
  server = await startStandIn(join(place.folder, 'one.sock'));
  setRoute(place.ledger, routeTo(server, 1));
  control = gatewayControl(projectPaths(place.folder, { HOME: place.folder }).sockets);
});

afterEach(async () => {
  await Promise.all(clients.map((client) => client.destroy()));
  await run('gateway', 'stop');
  await server.close();
});

describe('three workers', () => {
  it('never overspend a budget of ten requests, however many come at once', async () => {
    const key = await startWithKey('--budget-day-usd', '10');
    answerAll(server);
    const answers = await Promise.all(Array.from({ length: 200 }, () => ask(key)));
    expect(countBy(answers)).toEqual({ 200: 10, 429: 190 });
    const [budget] = (await state()).budgets;
    expect(budget).toMatchObject({ used: 10, reserved: 0, state: 'used_up' });
    expect(server.calls).toHaveLength(10);
  });

  it('keep a limit of requests a minute together', async () => {
    const key = await startWithKey('--requests-per-minute', '7');
    answerAll(server);
    const answers = await Promise.all(Array.from({ length: 40 }, () => ask(key)));
    expect(countBy(answers)).toEqual({ 200: 7, 429: 33 });
  });

  it('count every request once, in the traffic log and in the metrics of whichever is asked', async () => {
    const key = await startWithKey();
    answerAll(server);
    await Promise.all(Array.from({ length: 30 }, () => ask(key)));
    const owner = (await run('gateway', 'key')).stdout.trim();
    const texts = await Promise.all(Array.from({ length: 6 }, () => metricsText(owner)));
    for (const text of texts) expect(text).toMatch(/^mlx_gateway_requests_total\{.*status="200".*\} 30$/m);
    await run('gateway', 'stop');
    const traffic = openTrafficForReading(projectPaths(place.folder, { HOME: place.folder }).trafficFile);
    expect(traffic?.database.prepare('SELECT COUNT(*) FROM requests').pluck().get()).toBe(30);
    traffic?.close();
  });

  it('capture what a route keeps, whichever answered, redacted', async () => {
    const route = 'routes: { kept: { primary: local/tickets, capture: {} } }';
    writeFileSync(join(place.folder, 'mlx.yaml'), `engine: host\ngateway: { workers: 3 }\n${route}\n`);
    const key = await startWithKey();
    answerAll(server);
    await Promise.all(Array.from({ length: 9 }, () => ask(key, connect(), { model: 'kept', said: 'jo@example.com' })));
    const journal = openCaptureJournal(journalFile(projectPaths(place.folder, { HOME: place.folder }).captures));
    const rows = () => journal.database.prepare('SELECT row FROM waiting').pluck().all().map(String);
    while (rows().length < 9) await new Promise((resolve) => setImmediate(resolve));
    for (const row of rows()) expect(row).toMatch(/billing/);
    expect(rows().join()).not.toContain('jo@example.com');
    journal.close();
  });

  it('all refuse a revoked key once the command is back, and also when nobody told them', async () => {
    const [told, untold] = [await startWithKey(), await createKey()];
    answerAll(server);
    expect((await ask(told.text)).statusCode).toBe(200);
    await run('keys', 'revoke', told.id, '--yes');
    expect(countBy(await Promise.all(Array.from({ length: 12 }, () => ask(told.text))))).toEqual({ 401: 12 });
    revokeKey(place.ledger, untold.id, Date.now());
    while ((await ask(untold.text)).statusCode !== 401);
    expect(countBy(await Promise.all(Array.from({ length: 12 }, () => ask(untold.text))))).toEqual({ 401: 12 });
  });

  it('send nothing to the old version once the switch is acknowledged, under load, and lose nothing', async () => {
    const key = await startWithKey();
    answerAll(server);
    const second = await startStandIn(join(place.folder, 'two.sock'), answerWhole);
    const seen: { status: number; version: number; acknowledged: number }[] = [];
    let acknowledged = 1;
    let switching = true;
    const load = Array.from({ length: 12 }, async () => {
      const client = connect();
      while (switching) {
        const begun = acknowledged;
        const { statusCode: status, headers, body } = await ask(key, client);
        await body.dump();
        seen.push({ status, version: Number(String(headers['x-mlx-version']).split(':')[1]), acknowledged: begun });
      }
    });
    for (let turn = 2; turn < 12; turn += 1) {
      const route = routeTo(turn % 2 === 0 ? second : server, turn);
      setRoute(place.ledger, route);
      await control.confirmRoute('tickets', route);
      acknowledged = turn;
      const enough = seen.length + 40;
      while (seen.length < enough) await new Promise((resolve) => setImmediate(resolve));
    }
    switching = false;
    await Promise.all(load);
    await second.close();
    expect(seen.filter(({ status }) => status !== 200)).toEqual([]);
    expect(seen.filter((one) => one.version < one.acknowledged)).toEqual([]);
  });

  it('go on when one is killed: its requests end, what it had reserved is free, another takes its place', async () => {
    const key = await startWithKey('--budget-day-usd', '12');
    const asking = Array.from({ length: 12 }, () => ended(ask(key)));
    const calls = await Promise.all(Array.from({ length: 12 }, () => server.nextCall()));
    const before = (await state()).workers;
    expect(before.reduce((sum, { openRequests }) => sum + openRequests, 0)).toBe(12);
    expect((await ask(key)).statusCode).toBe(429);
    const [victim = { pid: 0, openRequests: 0 }] = before;
    expect(victim.openRequests).toBeGreaterThan(0);
    process.kill(victim.pid, 'SIGKILL');
    const left = 12 - victim.openRequests;
    while ((await state()).budgets[0]?.reserved !== left);
    for (const call of calls) answerWhole(call);
    expect(countBy(await Promise.all(asking))).toEqual({ 200: left, cut: victim.openRequests });
    while ((await state()).workers.length < 3);
    expect((await state()).workers.map(({ pid }) => pid)).not.toContain(victim.pid);
    expect((await state()).budgets).toMatchObject([{ used: left, reserved: 0 }]);
    answerAll(server);
    expect(countBy(await Promise.all(Array.from({ length: 20 }, () => ask(key))))).toEqual({
      200: victim.openRequests,
      429: 20 - victim.openRequests,
    });
  });

  it('open a breaker for all, of failures that each of them saw', async () => {
    const key = await startWithKey();
    server.calls.length = 0;
    void (async () => {
      for (;;) (await server.nextCall()).answer.writeHead(500).end('{}');
    })();
    while ((await state()).breakers['s1'] !== 'open') await ask(key);
    const asked = server.calls.length;
    const answers = await Promise.all(Array.from({ length: 12 }, () => ask(key)));
    expect(countBy(answers)).toEqual({ 503: 12 });
    expect(server.calls).toHaveLength(asked);
  });

  it('finish their streams when the gateway is stopped, and leave nothing behind', async () => {
    const key = await startWithKey();
    const asking = Array.from({ length: 6 }, () => ask(key, connect(), { stream: true }));
    const calls = await Promise.all(Array.from({ length: 6 }, () => server.nextCall()));
    for (const call of calls) call.answer.writeHead(200, sse).write(chunkEvent('first '));
    const answers = await Promise.all(asking);
    const { pid, workers } = await state();
    const stopping = run('gateway', 'stop');
    while ((await control.state()) !== undefined);
    for (const call of calls) call.answer.end(`${chunkEvent('last', 'stop')}data: [DONE]\n\n`);
    const texts = await Promise.all(answers.map(({ body }) => body.text()));
    for (const text of texts) expect(text).toMatch(/first[^]*last[^]*\[DONE\]/);
    expect((await stopping).stdout).toBe('The gateway has stopped.\n');
    await gone([pid, ...workers.map((worker) => worker.pid)]);
  });

  it('end with the process that they work for', async () => {
    await startWithKey();
    const { pid, workers } = await state();
    process.kill(pid, 'SIGKILL');
    await gone(workers.map((worker) => worker.pid));
    expect((await json('gateway', 'start')).value).toMatchObject({ routes: ['tickets'] });
  });
});

const run = (...argv: string[]) => mlx(argv, { folder: place.folder, environment });
const json = (...argv: string[]) => mlxJson(argv, { folder: place.folder, environment });

type Key = { id: string; text: string };

async function createKey(...limits: string[]): Promise<Key> {
  const { value } = await json('keys', 'create', `client-${randomUUID()}`, ...limits);
  const { key, secret } = value as { key: string; secret: string };
  return { id: key, text: secret };
}

async function startWithKey(...limits: string[]): Promise<Key> {
  await run('gateway', 'start');
  return createKey(...limits);
}

async function state(): Promise<GatewayState> {
  const found = await control.state();
  if (!found) throw new Error('no gateway runs');
  return found;
}

function connect(): Client {
  const client = new Client(`http://127.0.0.1:${port}`);
  clients.push(client);
  return client;
}

/** On a connection of its own: connections are what workers take in turn. */
type Asked = { model?: string; said?: string; stream?: boolean };

function ask(
  key: string | Key,
  client = connect(),
  { model = 'tickets', said = 'Hi', stream = false }: Asked = {},
): Promise<Dispatcher.ResponseData> {
  return client.request({
    path: '/v1/chat/completions',
    method: 'POST',
    headers: {
      authorization: `Bearer ${typeof key === 'string' ? key : key.text}`,
      'content-type': 'application/json',
    },
    body: JSON.stringify({ model, max_tokens: 100, stream, messages: [{ role: 'user', content: said }] }),
  });
}

async function metricsText(key: string): Promise<string> {
  const { body } = await connect().request({
    path: '/metrics',
    method: 'GET',
    headers: { authorization: `Bearer ${key}` },
  });
  return body.text();
}

async function ended(asking: Promise<Dispatcher.ResponseData>): Promise<{ statusCode: number | 'cut' }> {
  return asking.catch(() => ({ statusCode: 'cut' as const }));
}

function countBy(answers: readonly { statusCode: number | 'cut' }[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { statusCode } of answers) counts[statusCode] = (counts[statusCode] ?? 0) + 1;
  return counts;
}

function answerAll(standIn: StandIn): void {
  void (async () => {
    for (;;) answerWhole(await standIn.nextCall());
  })();
}

function answerWhole({ answer }: Call): void {
  const usage = { prompt_tokens: 5, completion_tokens: 100, total_tokens: 105 };
  const choices = [{ index: 0, message: { role: 'assistant', content: 'billing' }, finish_reason: 'stop' }];
  const body = JSON.stringify({ id: 'c', object: 'chat.completion', choices, usage });
  answer.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }).end(body);
}

function routeTo({ address }: StandIn, turn: number): Route {
  const fixed = { name: 'tickets', model: 'tickets', engine: 'host' } as const;
  return { ...fixed, address, version: turn, digest: `sha256:${turn}`, serverId: `s${turn}`, updatedAtMs: turn };
}

/** One that ended may stand in the process table until its parent looks: that is gone. One that stays runs into the test's own limit. */
async function gone(pids: readonly number[]): Promise<void> {
  for (const pid of pids) while (ownerOf(pid) !== undefined) await pause(20);
}
