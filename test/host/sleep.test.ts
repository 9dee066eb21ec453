// Servers that sleep and are woken, with the real program, processes and gateway: the servers are stand-ins that answer vLLM's calls for it. What
// a GPU makes of it is not in here.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';

import { packageRoot } from '../../src/config/paths.js';
import type { FailPoint } from '../../src/registry/journal.js';
import { mlxJson } from '../command/mlx.js';
import { startLoad, type ClientLoad } from './client-load.js';
import { standInProject, type StandInProject } from './stand-in-project.js';

const preload = join(import.meta.dirname, 'kill-at.js');

let project: StandInProject;
let load: ClientLoad;

const json = (...argv: string[]) => mlxJson(argv, { folder: project.folder, environment: project.environment });

beforeAll(async () => {
  const behaviours = ['sleeps', 'sleeps', 'crashes', 'good'];
  project = await standInProject(behaviours, 'serving: { ready_timeout_s: 20, drain_timeout_s: 5 }');
});

afterAll(() => project.remove());

beforeEach(async () => {
  const served = await json('serve', 'tickets:1');
  expect(served.status, served.stdout + served.stderr).toBe(0);
  load = startLoad(project);
});

afterEach(async () => {
  await load.answered(20);
  const { lost } = await load.stop();
  expect(lost).toEqual([]);
  // Each test begins with one server, awake.
  await json('rollback', 'tickets', '--to', '1');
  await json('down');
});

/** Version by version, whether it is asleep, of those that are kept for a rollback. */
async function warm(): Promise<[number, boolean][]> {
  const { value } = await json('status');
  const servers = (value as { warm: { version: number; asleep: boolean }[] }).warm;
  return servers.map(({ version, asleep }) => [version, asleep]);
}

async function live(): Promise<number> {
  const { value } = await json('status');
  return (value as { routes: { version: number }[] }).routes[0]?.version ?? 0;
}

const serverIds = async () => (await project.engine.listServers()).map(({ id }) => id).sort();

test('the old version sleeps, a rollback wakes it and starts nothing, and no request is lost', async () => {
  expect((await json('promote', 'tickets:2', '--strategy', 'sleep')).value).toMatchObject({ outcome: 'promoted' });
  expect([await live(), await warm()]).toEqual([2, [[1, true]]]);
  const servers = await serverIds();
  const back = await json('rollback', 'tickets', '--strategy', 'sleep');
  expect(back.value).toMatchObject({ outcome: 'rolled_back', to_version: 1 });
  expect([await live(), await warm(), await serverIds()]).toEqual([1, [[2, true]], servers]);
});

test('one whose successor crashes is woken', async () => {
  const before = await serverIds();
  const failed = await json('promote', 'tickets:3', '--strategy', 'sleep');
  expect(failed.value).toMatchObject({ outcome: 'failed', error: { code: 'SERVER_NOT_READY' } });
  const [version] = [await live()];
  expect([version, (await serverIds()).every((id) => before.includes(id))]).toEqual([1, true]);
});

test.each<[FailPoint, string[]]>([
  ['sleep: begun', ['promote', 'tickets:2']],
  ['sleep: performed', ['promote', 'tickets:2']],
  ['start: performed', ['promote', 'tickets:2']],
])('killed at "%s" of a promotion it is woken by the next command', async (point, words) => {
  expect(await killedAt(point, [...words, '--strategy', 'sleep'])).toBe('SIGKILL');
  expect((await json('releases', 'recover')).status).toBe(0);
  expect(await live()).toBe(1);
});

test.each<FailPoint>(['sleep: performed', 'wake: begun', 'wake: performed', 'ready: performed'])(
  'killed at "%s" of a rollback the version that was live answers again',
  async (point) => {
    expect((await json('promote', 'tickets:2', '--strategy', 'sleep')).status).toBe(0);
    expect(await killedAt(point, ['rollback', 'tickets', '--strategy', 'sleep'])).toBe('SIGKILL');
    expect((await json('releases', 'recover')).status).toBe(0);
    expect(await live()).toBe(2);
  },
);

test('a server that offers no sleep is not put to sleep: the command says so, with status 3', async () => {
  expect((await json('promote', 'tickets:4')).status).toBe(0);
  const refused = await json('promote', 'tickets:2', '--strategy', 'sleep');
  expect(refused.status).toBe(3);
  expect(refused.stdout + refused.stderr).toContain('STRATEGY_IMPOSSIBLE');
  expect(await live()).toBe(4);
});

/** @returns the signal that ended it */
async function killedAt(point: FailPoint, argv: string[]): Promise<string | null> {
  const words = ['--import', preload, join(packageRoot(), 'bin', 'mlx.js'), ...argv, '--project', project.folder];
  const environment = { ...project.environment, MLX_TEST_KILL_AT: point };
  const child = spawn(process.execPath, words, { env: environment, stdio: 'ignore' });
  const [, signal] = (await once(child, 'exit')) as [number | null, string | null];
  return signal;
}
