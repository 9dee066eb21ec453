import { existsSync } from 'node:fs';
import { join } from 'node:path';

import { expect, test } from 'vitest';

import { loadDefaults } from '../../../../src/config/load.js';
import { projectPaths } from '../../../../src/config/paths.js';
import { openHostEngine } from '../../../../src/engine/host/engine.js';
import { scratchFolder } from '../scratch.js';

test('a server that is no longer wanted installs nothing and starts nothing', async () => {
  const folder = scratchFolder();
  const environment = { HOME: folder, MLX_HOME: join(folder, 'home'), MLX_ENGINE: 'host' };
  const paths = projectPaths(folder, environment);
  const engine = await openHostEngine({ paths, config: await loadDefaults(folder, environment), environment });
  const spec = { id: 'a-v1', model: 'a', version: 1, digest: 'sha256:1', baseModel: folder, gpu: false, settings: {} };
  const said: string[] = [];
  const started = engine.startServer(spec, (line) => said.push(line), AbortSignal.abort('SIGINT'));
  await expect(started).rejects.toMatchObject({ code: 'INTERRUPTED', exitStatus: 130 });
  expect(said).toEqual([]);
  expect(existsSync(join(folder, 'home'))).toBe(false);
});
