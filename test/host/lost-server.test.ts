// A production model server that is killed: the first request that finds nobody there has it started again, in front of a gateway of one
// process and of several, and clients are asked to come again until it is there.
import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

import { afterEach, describe, expect, test } from 'vitest';

import { packageRoot } from '../../src/config/paths.js';
import { readRecords, serverRecord } from '../../src/engine/host/records.js';
import { serverFolder } from '../../src/engine/host/server-records.js';
import { ownerIsAlive, ownerPid } from '../../src/engine/owner.js';
import { gatewayControl } from '../../src/gateway/control.js';
import { gatewayKey } from '../../src/gateway/key.js';
import { openLedger } from '../../src/ledger/open.js';
import { listPromotions, type Promotion } from '../../src/ledger/promotions.js';
import { mlxJson } from '../command/mlx.js';
import { standInProject, type StandInProject } from './stand-in-project.js';

let project: StandInProject;
let gateway: ChildProcess | undefined;

const json = (...argv: string[]) => mlxJson(argv, { folder: project.folder, environment: project.environment });

afterEach(async () => {
  await json('down');
  gateway?.kill('SIGKILL');
  project.remove();
});

describe.each([[1], [3]])('with gateway.workers: %i', (workers) => {
  test('a server that was killed is started again because a request told of it, once, and clients get a 503 until it is there', async () => {
    project = await standInProject(['good']);
    const settings = `gateway: { port: ${project.port}, workers: ${workers} }`;
    project.write('mlx.yaml', `engine: host\n${settings}\nmlflow: { enabled: false }\n`);
    await startGateway();
    const served = await json('serve', 'tickets:1');
    expect(served.status, served.stdout + served.stderr).toBe(0);
    expect(await ask()).toMatchObject({ status: 200, version: 'tickets:1' });
    await killServer();
    const clients = await Promise.all(Array.from({ length: 4 }, untilAnswered));
    for (const seen of clients) {
      expect(seen.map(({ status, retryAfter }) => [status, Number(retryAfter) > 0])).toEqual([
        ...seen.slice(1).map(() => [503, true]),
        [200, false],
      ]);
      expect(seen.at(-2)?.text).toContain('The model server of tickets is gone and is being started again.');
    }
    expect(readFileSync(join(project.paths.run, 'gateway.log'), 'utf8')).toContain(
      'A request found that the model server of tickets is gone; it is started again.',
    );
    await settled();
    expect(releases()).toMatchObject([
      { fromVersion: 1, toVersion: 1, state: 'promoted', actor: 'mlx gateway', reason: 'its model server was gone' },
      { fromVersion: null, toVersion: 1, state: 'promoted' },
    ]);
    expect((await project.engine.listServers()).map(({ state }) => state)).toEqual(['running']);
  });
});

test('a rollback calls off the start of the version that crashed, and goes to the server that is kept warm', async () => {
  project = await standInProject(['good', 'late']);
  await startGateway();
  for (const words of [
    ['serve', 'tickets:1'],
    ['promote', 'tickets:2'],
  ]) {
    const { status, stdout, stderr } = await json(...words);
    expect(status, stdout + stderr).toBe(0);
  }
  await killServer('tickets:2');
  while (!releases().some(isRunningRestart)) await ask();
  const back = await json('rollback', 'tickets');
  expect(back.status, back.stdout + back.stderr).toBe(0);
  expect(await ask()).toMatchObject({ status: 200, version: 'tickets:1' });
  await settled();
  expect(releases()).toMatchObject([
    { kind: 'rollback', fromVersion: 2, toVersion: 1, state: 'promoted' },
    { kind: 'promote', fromVersion: 2, toVersion: 2, state: 'failed', errorCode: 'INTERRUPTED' },
    { fromVersion: 1, toVersion: 2, state: 'promoted' },
    { fromVersion: null, toVersion: 1, state: 'promoted' },
  ]);
  const running = (await project.engine.listServers()).filter(({ state }) => state === 'running');
  expect(running.map(({ version }) => version)).toEqual([1]);
});

const isRunningRestart = ({ fromVersion, toVersion, state }: Promotion): boolean =>
  fromVersion === toVersion && state === 'started';

async function startGateway(): Promise<void> {
  const preload = join(import.meta.dirname, 'no-regular-looks.js');
  const program = ['--import', preload, join(packageRoot(), 'bin', 'mlx.js'), 'gateway', 'start', '--foreground'];
  const env = project.environment;
  gateway = spawn(process.execPath, [...program, '--project', project.folder], { env, stdio: 'ignore' });
  const control = gatewayControl(project.paths.sockets);
  while ((await control.state()) === undefined) await pause(20);
}

/** Returns when it is gone. */
async function killServer(version = 'tickets:1'): Promise<void> {
  const records = readRecords(serverFolder(project.paths), serverRecord);
  const record = records.find((one) => `${one.model}:${one.version}` === version);
  if (!record) throw new Error('no model server runs');
  process.kill(ownerPid(record.owner), 'SIGKILL');
  while (ownerIsAlive(record.owner)) await pause(5);
}

async function ask() {
  const answer = await fetch(`http://127.0.0.1:${project.port}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${gatewayKey(project.paths.secrets)}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'tickets', messages: [{ role: 'user', content: 'invoice?' }] }),
  });
  const text = await answer.text();
  const [version, retryAfter] = ['x-mlx-version', 'retry-after'].map((name) => answer.headers.get(name));
  return { status: answer.status, version, retryAfter, text };
}

/** What a client sees that comes again and again. */
async function untilAnswered() {
  const seen: Awaited<ReturnType<typeof ask>>[] = [];
  do seen.push(await ask());
  while (seen.at(-1)?.status !== 200 && (await pause(50, true)));
  return seen;
}

function releases() {
  const ledger = openLedger(project.paths.ledgerFile);
  try {
    return listPromotions(ledger, { limit: 10 });
  } finally {
    ledger.close();
  }
}

/** The route answers before the command that started its server has cleared the old one away. */
async function settled(): Promise<void> {
  while (releases().some(({ state }) => state === 'started')) await pause(20);
}
