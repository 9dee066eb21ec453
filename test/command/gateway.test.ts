// The gateway as a process of its own, started, found again and stopped by commands.
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';

import { projectPaths } from '../../src/config/paths.js';
import { ownerOf } from '../../src/engine/owner.js';
import { freePort } from '../../src/engine/port.js';
import { setRoute } from '../../src/ledger/promotions.js';
import { chunkEvent, sse, startStandIn, type StandIn } from '../unit/gateway/stand-in.js';
import { mlx, mlxJson } from './mlx.js';
import { project, type Place } from './runs-project.js';

let place: Place;
let environment: NodeJS.ProcessEnv;
let server: StandIn;

beforeEach(async () => {
  place = project();
  environment = { MLX_GATEWAY_PORT: String(await freePort()) };
  server = await startStandIn(join(place.folder, 'one.sock'), (call) => {
    call.answer.writeHead(200, sse).end(chunkEvent('bil') + chunkEvent('ling', 'stop'));
  });
  const route = {
    name: 'tickets',
    model: 'tickets',
    version: 2,
    digest: 'sha256:2',
    serverId: 's',
    engine: 'host',
  } as const;
  setRoute(place.ledger, { ...route, address: server.address, updatedAtMs: 1 });
});

afterEach(async () => {
  await run('gateway', 'stop');
  await server.close();
});

const run = (...argv: string[]) => mlx(argv, { folder: place.folder, environment });
const json = (...argv: string[]) => mlxJson(argv, { folder: place.folder, environment });

describe('mlx gateway', () => {
  it('starts once, whoever asks, says what it serves, and stops', async () => {
    const started = await Promise.all([json('gateway', 'start'), json('gateway', 'start')]);
    const [first, second] = started.map(({ value }) => value as { pid: number });
    expect(first).toEqual(second);
    expect(first).toMatchObject({ routes: ['tickets'] });
    const { value } = await json('gateway', 'status');
    expect(value).toMatchObject({
      running: true,
      pid: first?.pid,
      routes: [{ name: 'tickets', version: 'tickets:2', server: 's', open_requests: 0, healthy: true, seen: null }],
    });
    expect((await run('gateway', 'stop')).stdout).toBe('The gateway has stopped.\n');
    expect((await run('gateway', 'status')).stdout).toContain('No gateway runs');
    expect((await run('gateway', 'stop')).stdout).toBe('No gateway runs.\n');
  });

  it('that hangs is told beside what is known without it, with what to do, and can be stopped', async () => {
    const { value } = await json('gateway', 'start');
    process.kill((value as { pid: number }).pid, 'SIGSTOP');
    const [status, shown, reload, routes, explained, budgets] = await Promise.all([
      ...([json('status'), run('status', '--check'), json('gateway', 'reload')] as const),
      ...([run('routes', 'ls'), run('routes', 'explain', 'tickets'), run('budgets')] as const),
    ]);
    expect(status.value).toMatchObject({
      parts: [
        { name: 'gateway', state: 'unhealthy', last_lines: ['The gateway runs, but did not answer within 10 s.'] },
      ],
    });
    expect([status.status, shown.status]).toEqual([0, 1]);
    expect(reload).toMatchObject({ status: 1, value: { error: { code: 'GATEWAY_HANGS' } } });
    const again = 'Start it again: mlx gateway stop && mlx gateway start';
    for (const told of [routes, explained, budgets]) {
      expect(told.status).toBe(0);
      expect(told.stderr).toContain(
        `did not answer within 10 s. What follows is read from the project's files. ${again}`,
      );
    }
    expect(routes.stdout).toContain('local/tickets');
    expect(explained.stdout).toContain('the gateway does not answer: breakers are not known');
    expect(shown.stdout).toContain('mlx gateway stop && mlx gateway start');
    expect(await run('gateway', 'stop')).toMatchObject({ status: 0, stdout: 'The gateway has stopped.\n' });
  });

  it('says of a route whose server is gone that it does not answer', async () => {
    await run('gateway', 'start');
    await server.close();
    const { value } = await json('gateway', 'status');
    expect(value).toMatchObject({
      routes: [{ name: 'tickets', healthy: false, seen: expect.stringContaining('ENOENT') as string }],
    });
    expect((await run('gateway', 'status')).stdout).toMatch(/no answer[^]*mlx logs s/);
  });

  it('names who holds its port, and starts nothing', async () => {
    const holder = createServer().listen(Number(environment['MLX_GATEWAY_PORT']), '127.0.0.1');
    onTestFinished(() => void holder.close());
    await new Promise((resolve) => holder.once('listening', resolve));
    const { status, stderr } = await run('gateway', 'start');
    expect(status).toBe(3);
    expect(stderr).toContain('PORT_TAKEN');
    expect(stderr).toContain(`process ${process.pid}`);
    expect((await json('gateway', 'status')).value).toMatchObject({ running: false });
    // What holds it may be a gateway of an older mlx that writes to the log, which is converted as it is opened.
    expect((await run('gateway', 'start', '--foreground')).stderr).toContain('PORT_TAKEN');
    expect(existsSync(projectPaths(place.folder, { HOME: place.folder }).trafficFile)).toBe(false);
  });

  it('stays at its port for commands that are told another one; only its start moves it, to a free one', async () => {
    const { value } = await json('gateway', 'start');
    const { pid } = value as { pid: number };
    const elsewhere = { MLX_GATEWAY_PORT: String(await freePort()) };
    const asked = await mlx(['chat', 'tickets', '-m', 'Hello'], { folder: place.folder, environment: elsewhere });
    expect(asked.stdout).toBe('billing\n');
    expect(asked.stderr).toContain(`The gateway runs at port ${environment['MLX_GATEWAY_PORT']}, and stays there`);
    const holder = createServer().listen(Number(elsewhere.MLX_GATEWAY_PORT), '127.0.0.1');
    await new Promise((resolve) => holder.once('listening', resolve));
    const refused = await mlx(['gateway', 'start'], { folder: place.folder, environment: elsewhere });
    expect(refused.stderr).toContain('PORT_TAKEN');
    expect((await json('gateway', 'status')).value).toMatchObject({ running: true, pid });
    await new Promise((resolve) => holder.close(resolve));
    const moved = await mlxJson(['gateway', 'start'], { folder: place.folder, environment: elsewhere });
    expect(moved.value).toMatchObject({ url: `http://127.0.0.1:${elsewhere.MLX_GATEWAY_PORT}/v1` });
  });

  it('keeps its key to itself and its user', async () => {
    const { stdout } = await run('gateway', 'key');
    expect((await run('gateway', 'key')).stdout).toBe(stdout);
    await run('chat', 'tickets', '-m', 'My secret question');
    await run('gateway', 'stop');
    const { run: folder, trafficFile } = projectPaths(place.folder, {});
    const files = [join(folder, 'gateway.log'), join(folder, 'gateway.out'), trafficFile];
    const written = files.map((file) => readFileSync(file, 'latin1')).join('\n');
    expect(written).toContain('tickets:2');
    expect(written).not.toContain(stdout.trim());
    expect(written).not.toMatch(/secret question|billing/);
  });
});

describe('mlx chat', () => {
  it('starts the gateway by itself and streams the answer', async () => {
    const { stdout, status } = await run('chat', '-m', 'Where is my invoice?', '--system', 'Be short.');
    expect({ stdout, status }).toEqual({ stdout: 'billing\n', status: 0 });
    expect(JSON.parse(server.calls[0]?.body ?? '')).toMatchObject({
      model: 'tickets',
      stream: true,
      messages: [
        { role: 'system', content: 'Be short.' },
        { role: 'user', content: 'Where is my invoice?' },
      ],
    });
  });

  it('answers programs with one document', async () => {
    const { value, stdout } = await json('chat', 'tickets', '-m', 'Hello');
    expect(stdout.trimEnd().split('\n')).toHaveLength(1);
    expect(value).toMatchObject({ model: 'tickets', version: 'tickets:2', answer: 'billing', finish_reason: 'stop' });
  });

  it('finds the same routes again after the gateway was killed', async () => {
    const { value } = await json('gateway', 'start');
    const { pid } = value as { pid: number };
    process.kill(pid, 'SIGKILL');
    while (ownerOf(pid) !== undefined) await new Promise((resolve) => setImmediate(resolve));
    expect(await run('chat', 'tickets', '-m', 'Hello')).toEqual({ stdout: 'billing\n', stderr: '', status: 0 });
  });

  it.each([
    [['chat', 'ticket', '-m', 'Hello'], 1, 'There are: tickets'],
    [['chat', 'tickets', '--json'], 2, '--message TEXT'],
    [['chat', 'Where is my invoice?'], 2, 'mlx chat -m'],
    [['chat', 'tickets', '-m', 'Hello', '--max-tokens', 'many'], 2, "not 'many'"],
  ])('%j fails with status %i and what to do', async (argv, status, why) => {
    const failed = await run(...argv);
    expect(failed.status).toBe(status);
    expect(failed.stdout + failed.stderr).toContain(why);
  });
});
