import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect, onTestFinished, test } from 'vitest';

import { projectPaths } from '../../src/config/paths.js';
import { currentOwner } from '../../src/engine/owner.js';
import { freePort } from '../../src/engine/port.js';
import { writeRecord } from '../../src/engine/host/records.js';
import { serverFile, serverLog } from '../../src/engine/host/server-records.js';
import { openLedger } from '../../src/ledger/open.js';
import { setRoute } from '../../src/ledger/promotions.js';
import { setSplit } from '../../src/ledger/route-splits.js';
import { insertRun } from '../../src/ledger/runs.js';
import { insertVersion, setAlias } from '../../src/ledger/versions.js';
import { keepWarm } from '../../src/ledger/warm-servers.js';
import * as program from './mlx.js';

/** Docker is out of reach, so that no test touches what the machine's Engine holds. */
const environment = { PATH: process.env['PATH'], DOCKER_HOST: 'unix:///no/such/docker.sock' };
const mlx = (argv: string[], { folder }: { folder: string }) => program.mlx(argv, { folder, environment });
const mlxJson = (argv: string[], { folder }: { folder: string }) => program.mlxJson(argv, { folder, environment });

function project(config = ''): { folder: string; write: (path: string, text: string) => void } {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'mlx-stack-')));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const write = (path: string, text: string) => {
    mkdirSync(join(folder, path, '..'), { recursive: true });
    writeFileSync(join(folder, path), text);
  };
  write('mlx.yaml', `engine: host\n${config}`);
  return { folder, write };
}

/** A model server whose process is gone, with its last words. */
function deadServer(folder: string): void {
  const paths = projectPaths(folder, { HOME: folder });
  const digest = `sha256:${'0'.repeat(64)}`;
  const own = { id: 'tickets-v1-aa', owner: '999999999:1:other', model: 'tickets', version: 1, digest };
  writeRecord(serverFile(paths, own.id), { ...own, socket: join(folder, 'a.sock'), venv: '/venv', startedAtMs: 5 });
  writeFileSync(serverLog(paths, own.id), 'loading\nKilled\n');
}

test('status of a project in which nothing runs says so and how to begin', async () => {
  const { folder } = project();
  const people = await mlx(['status'], { folder });
  const programs = await mlxJson(['status'], { folder });

  expect(people).toMatchObject({ status: 0, stderr: '' });
  expect(people.stdout).toContain('Nothing runs. Start MLflow: mlx up');
  const disks = [{ folders: [folder, join(folder, '.mlx')], free_bytes: expect.any(Number), low: expect.any(Boolean) }];
  expect(programs.value).toMatchObject({ project: folder, disks, parts: [], routes: [], models: [], runs: [] });
});

test('status shows a model server that died, with its last lines and what to do', async () => {
  const { folder } = project();
  deadServer(folder);
  const { stdout } = await mlx(['status'], { folder });

  expect(stdout).toContain(
    'exited  tickets-v1-aa\n  loading\n  Killed\nnext  mlx logs tickets-v1-aa; then mlx serve tickets:1',
  );
});

test('status says that the running gateway starts a dead server again, also one of which nothing is left', async () => {
  const { folder } = project();
  deadServer(folder);
  const ports = { ...environment, MLX_GATEWAY_PORT: String(await freePort()) };
  const ledger = openLedger(projectPaths(folder, { HOME: folder }).ledgerFile);
  const common = {
    model: 'tickets',
    version: 1,
    digest: 'sha256:1',
    engine: 'host',
    address: 'unix:/nowhere',
  } as const;
  setRoute(ledger, { ...common, name: 'tickets', serverId: 'tickets-v1-aa', updatedAtMs: 1 });
  setRoute(ledger, { ...common, name: 'tickets@staging', serverId: 'tickets-v1-bb', updatedAtMs: 1 });
  ledger.close();
  await program.mlx(['gateway', 'start'], { folder, environment: ports });
  const { stdout } = await program.mlx(['status'], { folder, environment: ports });
  const { value } = await program.mlxJson(['status'], { folder, environment: ports });
  await program.mlx(['gateway', 'stop'], { folder, environment: ports });

  const when = '(within half a minute|in [0-9.]+ s)';
  const next = (log: string, name: string) =>
    new RegExp(`next  ${log}the gateway starts it again by itself ${when}; at once: mlx serve ${name}\n`);
  expect(stdout).toMatch(next('mlx logs tickets-v1-aa; ', 'tickets'));
  expect(stdout).toContain('exited  tickets-v1-bb\n  Is not there any more; tickets@staging leads to it\n');
  expect(stdout).toMatch(next('', 'tickets@staging'));
  const restart = { state: expect.stringMatching(/^(looking|waiting)$/) as string };
  expect(value).toMatchObject({ parts: [{ kind: 'gateway' }, { restart }, { name: 'tickets-v1-bb', restart }] });
});

test('status calls no server warm that has exited', async () => {
  const { folder } = project();
  deadServer(folder);
  const paths = projectPaths(folder, { HOME: folder });
  const ledger = openLedger(paths.ledgerFile);
  const warm = { model: 'tickets', version: 1, engine: 'host', untilMs: Date.now() + 300_000 } as const;
  keepWarm(ledger, { ...warm, serverId: 'tickets-v1-aa' });
  expect((await mlx(['status'], { folder })).stdout).not.toContain('warm, for a rollback');
  const own = { id: 'tickets-v1-bb', owner: currentOwner(), model: 'tickets', version: 1, digest: 'sha256:1' };
  writeRecord(serverFile(paths, own.id), { ...own, socket: join(folder, 'b'), venv: '/venv', startedAtMs: Date.now() });
  keepWarm(ledger, { ...warm, serverId: own.id });
  ledger.close();
  const { value } = await mlxJson(['status'], { folder });
  expect(value).toMatchObject({ warm: [{ server_id: 'tickets-v1-bb' }] });
});

test('status says which share it took back, because its command is gone', async () => {
  const { folder } = project();
  const ports = { ...environment, MLX_GATEWAY_PORT: String(await freePort()) };
  const paths = projectPaths(folder, { HOME: folder });
  const ledger = openLedger(paths.ledgerFile);
  const common = { model: 'tickets', digest: 'sha256:1', engine: 'host', address: 'unix:/nowhere' } as const;
  setRoute(ledger, { ...common, name: 'tickets', version: 1, serverId: 'a', updatedAtMs: 1 });
  setRoute(ledger, { ...common, name: 'tickets@canary', version: 2, serverId: 'b', updatedAtMs: 1 });
  const share = { name: 'tickets', kind: 'canary', candidate: 'tickets@canary', percent: 5, sticky: 'key' } as const;
  setSplit(ledger, { ...share, owner: '999999999:1:other' });
  ledger.close();
  const { stderr, stdout } = await program.mlx(['status'], { folder, environment: ports });
  await program.mlx(['gateway', 'stop'], { folder, environment: ports });

  expect(stderr).toMatch(/^The share of tickets:2 was taken back: its command is gone\. /m);
  expect(stdout).not.toContain('divided');
});

test('status shows which routes wait for a gateway that was killed, and how to start it', async () => {
  const { folder } = project();
  const paths = projectPaths(folder, { HOME: folder });
  const version = { model: 'tickets', version: 1, digest: `sha256:${'0'.repeat(64)}` };
  const own = { ...version, id: 'tickets-v1-bb', owner: currentOwner(), socket: join(folder, 'b.sock') };
  writeRecord(serverFile(paths, own.id), { ...own, venv: '/venv', startedAtMs: Date.now() });
  const ledger = openLedger(paths.ledgerFile);
  const route = { name: 'tickets', serverId: own.id, engine: 'host' as const, address: `unix:${own.socket}` };
  setRoute(ledger, { ...route, ...version, updatedAtMs: 1 });
  ledger.close();
  const { stdout } = await mlx(['status'], { folder });

  expect(stdout).toContain('exited  gateway\n  Does not run; its model servers do: tickets -> tickets:1');
  expect(stdout).toContain('next  mlx gateway start');
});

test('status shows what runs also while mlx.yaml is broken, and --check fails then', async () => {
  const { folder, write } = project();
  deadServer(folder);
  expect((await mlx(['status'], { folder })).status).toBe(0);
  expect((await mlx(['status', '--check'], { folder })).status).toBe(1);
  write('mlx.yaml', 'gatway: {}\n');
  const { stdout, status } = await mlx(['status'], { folder });
  expect(status).toBe(0);
  expect(stdout).toContain('broken  mlx.yaml');
  expect(stdout).toContain('line 1: gatway unknown key; did you mean gateway?');
  expect(stdout).toContain('exited  tickets-v1-aa');
  const sound = project().folder;
  expect((await mlx(['status', '--check'], { folder: sound })).status).toBe(0);
});

test('down clears up after a model server that died, and finds nothing the second time', async () => {
  const { folder } = project();
  deadServer(folder);

  expect((await mlx(['down', '--dry-run'], { folder })).stdout).toBe('would stop tickets:1 (tickets-v1-aa)\n');
  expect((await mlx(['down'], { folder })).stdout).toBe('Stopped tickets:1 (tickets-v1-aa).\n');
  expect((await mlx(['down'], { folder })).stdout).toBe('Nothing ran.\n');
});

test('deleting data asks, and without a terminal names the flag that answers', async () => {
  const { folder, write } = project();
  write('.mlx/mlflow/mlflow.db', 'runs');

  expect(await mlx(['down', '--delete-data'], { folder })).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('--yes'),
  });
  expect((await mlxJson(['down', '--delete-data', '--yes'], { folder })).value).toEqual({
    stopped: [],
    deleted_data: true,
  });
});

test('up says what it would start, and why it would not', async () => {
  const { folder } = project('mlflow: { port: 4999 }\n');
  const off = project('mlflow: { enabled: false }\n').folder;

  expect((await mlx(['up', '--dry-run'], { folder })).stdout).toContain('would start mlflow on 127.0.0.1:4999 (host)');
  expect((await mlx(['up'], { folder: off })).stdout).toContain('mlflow  not started: mlflow.enabled is false');
});

test('up on a port that is taken names who holds it and exits 3', async () => {
  const holder = createServer();
  await new Promise<void>((resolve) => holder.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void holder.close());
  const { port } = holder.address() as AddressInfo;
  const { folder } = project(`mlflow: { port: ${port} }\n`);
  const { status, stderr } = await mlx(['up'], { folder });

  expect(status).toBe(3);
  expect(stderr).toContain(`mlflow needs port ${port}, which is held by`);
  expect(stderr).toContain(`(process ${process.pid})`);
});

const run = {
  recipe: 'tickets',
  recipeFile: 'recipes/tickets.yaml',
  method: 'lora',
  baseModel: 'mlx/demo-base',
  baseCommit: 'c',
  seed: 1,
  engine: 'host',
  owner: null,
  startedAtMs: 1,
} as const;

test('logs shows the last lines of a server by its id or model, of a run and of the gateway', async () => {
  const { folder, write } = project();
  deadServer(folder);
  write('.mlx/run/gateway.log', 'one\ntwo\n');
  write('.mlx/runs/r1/trainer.log', 'step 1\n');
  const ledger = openLedger(projectPaths(folder, {}).ledgerFile);
  insertRun(ledger, { ...run, id: 'r1' });
  insertVersion(ledger, {
    ...{ model: 'tickets', version: 1, runId: 'r1', digest: `sha256:${'0'.repeat(64)}`, engine: 'host' },
    ...{ baseModel: 'mlx/demo-base', baseCommit: 'c', settings: '{}', sizeBytes: 1, createdAtMs: 1 },
  });
  setAlias(ledger, { model: 'tickets', alias: 'production', version: 1, updatedAtMs: 1 });
  ledger.close();

  expect((await mlx(['logs', 'tickets'], { folder })).stdout).toBe('loading\nKilled\n');
  expect((await mlx(['logs', 'tickets@production'], { folder })).stdout).toBe('loading\nKilled\n');
  expect((await mlx(['logs', 'tickets-v1-aa', '-n', '1'], { folder })).stdout).toBe('Killed\n');
  expect((await mlx(['logs', 'gateway', '-n', '1'], { folder })).stdout).toBe('two\n');
  expect((await mlxJson(['logs', 'r1'], { folder })).stdout).toBe(
    '{"event":"text","text":"step 1\\n"}\n{"event":"end","name":"r1","lines":1}\n',
  );
});

test('logs of something that is not there names what there is', async () => {
  const { folder } = project();
  deadServer(folder);

  expect(await mlx(['logs', 'nobody'], { folder })).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('There are: tickets-v1-aa'),
  });
  expect(await mlx(['logs', '-n', 'x'], { folder })).toMatchObject({ status: 2 });
});
