import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect, test } from 'vitest';

import { localClient } from '../../../src/engine/local-client.js';
import { gatewayControl } from '../../../src/gateway/control.js';
import { serveControls } from '../../../src/gateway/control-server.js';

test('a control socket that closes answers what was asked before, and nothing after it over the same connection', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'mlx-ctl-'));
  const socket = join(folder, 'gateway.sock');
  let release = (): void => undefined;
  const released = new Promise<void>((resolve) => (release = resolve));
  let asked = (): void => undefined;
  const begun = new Promise<void>((resolve) => (asked = resolve));
  const server = await serveControls(socket, {
    state: () => Promise.reject(new Error('not asked here')),
    metrics: async () => '',
    readRows: async () => {
      asked();
      await released;
      return { routes: [], held: [], splits: [] };
    },
    reload: async () => undefined,
    stop: () => undefined,
  });
  const client = localClient(`unix:${socket}`);
  const first = client.ask({ path: '/reload', method: 'POST', timeoutMs: 5_000 });
  await begun;
  server.close();
  release();
  expect((await first).status).toBe(200);
  await expect(client.ask({ path: '/reload', method: 'POST', timeoutMs: 5_000 })).rejects.toMatchObject({
    code: expect.stringMatching(/ECONNREFUSED|ENOENT|ECONNRESET/) as string,
  });
  client.close();
  rmSync(folder, { recursive: true });
});

test('an earlier gateway is asked by the names that it knows, and an earlier command is answered by them', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'mlx-ctl-'));
  const socket = join(folder, 'gateway.sock');
  const rows = { routes: [], held: [], splits: [] };
  const state = {
    ...rows,
    pid: 1,
    port: 2,
    startedAtMs: 3,
    workers: [],
    inFlight: {},
    budgets: [],
    breakers: {},
    cares: null,
  };
  const asked: string[] = [];
  const earlier = createServer(({ method, url }, answer) => {
    asked.push(`${method} ${url}`);
    answer.end(JSON.stringify(url === '/reload' ? rows : state));
  });
  await once(earlier.listen(socket), 'listening');
  const control = gatewayControl(folder);
  await control.confirmRoute('tickets', undefined);
  expect(await control.reload()).toMatchObject({ pid: 1 });
  expect(asked).toEqual(['POST /reload', 'POST /refresh']);
  earlier.closeAllConnections();
  await once(earlier.close(), 'close');
  const done: string[] = [];
  const server = await serveControls(socket, {
    state: async () => ({ ...state, upstreams: [], configProblem: null }),
    metrics: async () => '',
    readRows: async () => (done.push('rows'), rows),
    reload: async () => void done.push('all'),
    stop: () => undefined,
  });
  const client = localClient(`unix:${socket}`);
  for (const path of ['/reload', '/refresh']) await client.ask({ path, method: 'POST', timeoutMs: 5_000 });
  expect(done).toEqual(['rows', 'all']);
  client.close();
  server.close();
  rmSync(folder, { recursive: true });
});
