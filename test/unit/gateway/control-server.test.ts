import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect, test } from 'vitest';

import { localClient } from '../../../src/engine/local-client.js';
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
    refresh: async () => undefined,
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
