// A reboot, simulated: gateway and model server are gone at once, and their records are of another boot. Then the gateway is started as its
// unit starts it, and the routes answer again.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

import { afterAll, beforeAll, expect, test } from 'vitest';

import { packageRoot } from '../../src/config/paths.js';
import { ownerPid } from '../../src/engine/owner.js';
import { gatewayOwnerFile } from '../../src/gateway/control-api.js';
import { gatewayKey } from '../../src/gateway/key.js';
import { mlxJson } from '../command/mlx.js';
import { standInProject, type StandInProject } from './stand-in-project.js';

let project: StandInProject;
let gateway: ChildProcess | undefined;

const json = (...argv: string[]) => mlxJson(argv, { folder: project.folder, environment: project.environment });

beforeAll(async () => {
  project = await standInProject(['good', 'good']);
  expect((await json('serve', 'tickets:1')).status).toBe(0);
  expect((await json('promote', 'tickets:2', '--alias', 'staging')).status).toBe(0);
});

afterAll(async () => {
  await json('down');
  gateway?.kill('SIGKILL');
  project.remove();
});

/** Everything dies without a word; the sockets of a runtime folder are gone, and no record is of this boot. */
function reboot(): void {
  const servers = join(project.paths.run, 'servers');
  const records = readdirSync(servers).filter((name) => name.endsWith('.json'));
  for (const file of [...records.map((name) => join(servers, name)), gatewayOwnerFile(project.paths.run)]) {
    const record = JSON.parse(readFileSync(file, 'utf8')) as { owner: string };
    process.kill(ownerPid(record.owner), 'SIGKILL');
    writeFileSync(file, JSON.stringify({ ...record, owner: record.owner.replace(/[^:]+$/, 'earlier') }));
  }
  const sockets = readdirSync(project.paths.sockets).filter((name) => name.endsWith('.sock'));
  for (const name of sockets) rmSync(join(project.paths.sockets, name));
}

/** As ExecStart of `mlx gateway install --print` says. */
function startAsUnit(): ChildProcess {
  const program = join(packageRoot(), 'bin', 'mlx.js');
  const words = ['gateway', 'start', '--foreground', '--project', project.folder];
  return spawn(process.execPath, [program, ...words], { env: project.environment, stdio: 'ignore' });
}

async function answeredBy(model: string): Promise<string> {
  try {
    const answer = await fetch(`http://127.0.0.1:${project.port}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${gatewayKey(project.paths.secrets)}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model, messages: [{ role: 'user', content: 'invoice?' }] }),
    });
    await answer.text();
    return answer.status === 200 ? (answer.headers.get('x-mlx-version') ?? 'none') : String(answer.status);
  } catch {
    return 'no answer';
  }
}

test('after a reboot every route answers again, with the version that it had', async () => {
  expect(await answeredBy('tickets')).toBe('tickets:1');
  reboot();
  expect(await answeredBy('tickets')).toBe('no answer');
  gateway = startAsUnit();
  await once(gateway, 'spawn');
  const deadlineMs = Date.now() + 300_000;
  const versions = () => Promise.all([answeredBy('tickets'), answeredBy('tickets@staging')]);
  while ((await versions()).join() !== 'tickets:1,tickets:2' && Date.now() < deadlineMs) await pause(500);
  expect(await versions()).toEqual(['tickets:1', 'tickets:2']);
  const servers = async () =>
    (await project.engine.listServers()).map(({ version, state }) => `${version} ${state}`).sort();
  // A route answers before the command that started its server has cleared the old one away.
  while ((await servers()).length > 2 && Date.now() < deadlineMs) await pause(100);
  expect(await servers()).toEqual(['1 running', '2 running']);
  const status = (await json('status')).value as { parts: { state: string }[] };
  expect(status.parts.map(({ state }) => state)).toEqual(['running', 'running', 'running']);
});
