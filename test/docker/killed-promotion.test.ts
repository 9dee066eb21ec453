// A promotion with real containers that is killed, or whose container is, before there is a server to wait for: nothing is left of it. That
// a switch goes on after its flip: killed-after-flip.test.ts.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';

import Docker from 'dockerode';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { freePort } from '../../src/engine/port.js';
import { openLedger } from '../../src/ledger/open.js';
import { listPromotions, listRoutes } from '../../src/ledger/promotions.js';
import type { FailPoint } from '../../src/registry/journal.js';
import { mlxJson } from '../command/mlx.js';
import { killedAt } from '../host/killed-command.js';
import { addBase, addVersion } from '../host/stand-in-project.js';
import { containersOf, sharedProject } from './project.js';

const { project, skipped, why } = await sharedProject();

describe.skipIf(skipped)(`a promotion with containers${why}`, () => {
  let environment: NodeJS.ProcessEnv = {};
  const model = () => `kill-${project().paths.projectId}`;
  const json = (...argv: string[]) => mlxJson(argv, { folder: project().folder, environment });

  beforeAll(async () => {
    const { folder, paths, engine } = project();
    const home = join(folder, 'home');
    environment = { ...process.env, MLX_HOME: home, MLX_GATEWAY_PORT: String(await freePort()) };
    await addBase(paths.models);
    await addVersion(project(), engine, 1, 'none', model());
  });

  afterAll(async () => {
    await json('down');
  });

  async function expectNothingLeft(): Promise<void> {
    expect(await containersOf(project())).toEqual([]);
    const { sockets, ledgerFile } = project().paths;
    expect(readdirSync(sockets).filter((name) => name.startsWith(model()))).toEqual([]);
    const ledger = openLedger(ledgerFile);
    try {
      expect([listRoutes(ledger), listPromotions(ledger, { state: 'started', limit: 9 })]).toEqual([[], []]);
    } finally {
      ledger.close();
    }
  }

  test.each<FailPoint>(['start: begun', 'start: performed', 'ready: begun'])(
    'that is killed at "%s" leaves no container after the next command',
    async (point) => {
      const { folder } = project();
      expect(await killedAt(point, ['promote', `${model()}:1`], { folder, environment })).toBe('SIGKILL');
      expect((await containersOf(project())).length).toBe(point === 'start: begun' ? 0 : 1);
      const recovered = await json('releases', 'recover');
      expect(recovered.status, recovered.stdout + recovered.stderr).toBe(0);
      await expectNothingLeft();
    },
  );

  test('whose container is killed while it starts fails, and leaves none', async () => {
    const promoting = json('promote', `${model()}:1`);
    let found = await containersOf(project());
    while (found[0]?.State !== 'running') found = await containersOf(project());
    await new Docker().getContainer(found[0].Id).kill();
    const { status, value } = await promoting;
    expect(value).toMatchObject({ outcome: 'failed', error: { code: 'SERVER_NOT_READY' } });
    expect(status).toBe(1);
    await expectNothingLeft();
  });

  test('whose image is gone fails before there is a container', async () => {
    await project().engine.untagVersion(model(), 'v1');
    const { status, value } = await json('promote', `${model()}:1`);
    expect(value).toMatchObject({ outcome: 'failed', error: { code: 'IMAGE_MISSING' } });
    expect(status).toBe(1);
    await expectNothingLeft();
  });
});
