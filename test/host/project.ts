// A project of its own for each test, and one MLX_HOME for all: environments of several GB are installed once a machine.
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';

import { onTestFinished } from 'vitest';

import { loadConfig } from '../../src/config/load.js';
import { projectPaths, type Paths } from '../../src/config/paths.js';
import type { Engine } from '../../src/engine/engine.js';
import { openHostEngine } from '../../src/engine/host/engine.js';

const cache = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache');
export const testHome = process.env['MLX_TEST_HOME'] ?? join(cache, 'mlx-test-home');

export type TestProject = { engine: Engine; paths: Paths; environment: NodeJS.ProcessEnv };

export async function hostProject(more: NodeJS.ProcessEnv = {}): Promise<TestProject> {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'mlx-host-')));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, 'mlx.yaml'), 'engine: host\n');
  const environment = { ...process.env, MLX_HOME: testHome, ...more };
  const paths = projectPaths(folder, environment);
  const config = await loadConfig(paths, environment);
  return { engine: await openHostEngine({ paths, config, environment }), paths, environment };
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}
