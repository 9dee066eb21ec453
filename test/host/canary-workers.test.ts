// A canary in front of a gateway of several processes, with the real program: every worker gives it its share, and none does any more once
// the command that took it back has returned.
import { randomUUID } from 'node:crypto';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

import { Client } from 'undici';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';

import { packageRoot } from '../../src/config/paths.js';
import { gatewayControl, type GatewayControl } from '../../src/gateway/control.js';
import type { GatewayState } from '../../src/gateway/control-api.js';
import { mlxJson } from '../command/mlx.js';
import { startLoad } from './client-load.js';
import { standInProject, type StandInProject } from './stand-in-project.js';

let project: StandInProject;
let control: GatewayControl;
let firstKey: string;
/** Connections that stay open through all of a test, one to each worker, by its pid. */
let connections: Map<number, Client>;

const json = (...argv: string[]) => mlxJson(argv, { folder: project.folder, environment: project.environment });

beforeAll(async () => {
  project = await standInProject(['good', 'good', 'fails_later']);
  const gateway = `gateway: { port: ${project.port}, workers: 3 }`;
  project.write('mlx.yaml', `engine: host\n${gateway}\nmlflow: { enabled: false }\n`);
  const served = await json('serve', 'tickets:1');
  expect(served.status, served.stdout + served.stderr).toBe(0);
  control = gatewayControl(project.paths.sockets);
  firstKey = await createKey();
});

afterAll(async () => {
  await json('down');
  project.remove();
});

beforeEach(async () => {
  connections = await connectToEach();
});

afterEach(async () => {
  await Promise.all([...connections.values()].map((client) => client.destroy()));
});

describe('a canary over three workers', () => {
  test('gets its share on each of them; after Ctrl-C no request reaches it on any, and none is lost', async () => {
    const load = startLoad(project);
    const canary = startCanary('tickets:2', 'request');
    await Promise.all([...connections.values()].map((client) => untilBothAnswer(client)));
    expect(await interrupted(canary)).toEqual([130, null]);
    expect(await versionsSeen()).toEqual(['tickets:1']);
    expect((await state()).splits).toEqual([]);
    expect((await load.stop()).lost).toEqual([]);
  });

  test('that sticks to keys gives a key the same version on each of them', async () => {
    const canary = startCanary('tickets:2', 'key');
    while ((await state()).splits[0]?.percent !== 50);
    const sides = new Set<string>();
    // Where two keys fall on one side, another is made: one of them gets the candidate in the end.
    for (let key = firstKey; sides.size < 2; key = await createKey()) {
      const versions = await Promise.all([...connections.values()].map((client) => versionOf(client, key)));
      expect(new Set(versions).size).toBe(1);
      for (const version of versions) sides.add(version);
    }
    expect(await interrupted(canary)).toEqual([130, null]);
    expect(await versionsSeen()).toEqual(['tickets:1']);
  });

  test('that does worse is taken back on each of them, and the clients lose nothing', async () => {
    const load = startLoad(project);
    const words = ['promote', 'tickets:3', '--canary', '50%', '--sticky', 'request', '--every', '60s'];
    const { status, value } = await json(...words);
    expect([status, value]).toMatchObject([4, { outcome: 'taken_back', error: { code: 'WATCH_WORSE' } }]);
    expect(await versionsSeen()).toEqual(['tickets:1']);
    expect((await load.stop()).lost).toEqual([]);
  });
});

/** The real program, in a process of its own, so that it can be interrupted; its share would be watched for as long as the test may take. */
function startCanary(version: string, sticky: 'key' | 'request'): ChildProcess {
  const program = join(packageRoot(), 'bin', 'mlx.js');
  const words = ['promote', version, '--canary', '50%', '--step', '25%', '--sticky', sticky, '--every', '1h'];
  return spawn(process.execPath, [program, ...words, '--project', project.folder], {
    env: project.environment,
    stdio: 'ignore',
  });
}

/** @returns exit status and signal */
async function interrupted(canary: ChildProcess): Promise<unknown[]> {
  const ended = once(canary, 'exit');
  canary.kill('SIGINT');
  return ended;
}

async function createKey(): Promise<string> {
  return ((await json('keys', 'create', `client-${randomUUID()}`)).value as { secret: string }).secret;
}

async function state(): Promise<GatewayState> {
  const found = await control.state();
  if (!found) throw new Error('no gateway runs');
  return found;
}

async function connectToEach(): Promise<Map<number, Client>> {
  const found = new Map<number, Client>();
  while (found.size < 3) {
    const client = new Client(`http://127.0.0.1:${project.port}`);
    const pid = await workerOf(client);
    if (found.has(pid)) await client.destroy();
    else found.set(pid, client);
  }
  return found;
}

/** Who has the one request that is open. */
async function workerOf(client: Client): Promise<number> {
  for (;;) {
    const answer = await ask(client, { stream: true });
    const busy = (await state()).workers.find(({ openRequests }) => openRequests > 0);
    await answer.body.dump();
    if (busy) return busy.pid;
  }
}

function ask(client: Client, { stream = false, key = firstKey }: { stream?: boolean; key?: string } = {}) {
  return client.request({
    path: '/v1/chat/completions',
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'tickets', stream, messages: [{ role: 'user', content: 'Hi' }] }),
  });
}

async function versionOf(client: Client, key = firstKey): Promise<string> {
  const { statusCode, headers, body } = await ask(client, { key });
  const text = await body.text();
  expect(statusCode, text).toBe(200);
  return String(headers['x-mlx-version']);
}

async function untilBothAnswer(client: Client): Promise<void> {
  const seen = new Set<string>();
  while (seen.size < 2) seen.add(await versionOf(client));
}

/** On the connections that were open before, and on fresh ones. */
async function versionsSeen(): Promise<string[]> {
  const fresh = Array.from({ length: 9 }, () => new Client(`http://127.0.0.1:${project.port}`));
  const asked = [...connections.values(), ...fresh].map(async (client) => {
    const versions: string[] = [];
    while (versions.length < 20) versions.push(await versionOf(client));
    return versions;
  });
  const seen = new Set((await Promise.all(asked)).flat());
  await Promise.all(fresh.map((client) => client.destroy()));
  return [...seen];
}
