// MLflow through Compose on a real Engine.
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';

import { request } from 'undici';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';

import { freePort } from '../../src/engine/port.js';
import { never, quiet } from './probe.js';
import { containersOf, otherProject, sharedProject } from './project.js';

const { project, skipped, why } = await sharedProject();

describe.skipIf(skipped)(`MLflow in a container${why}`, () => {
  beforeAll(async () => {
    await project().engine.prepareRuntime('mlflow', quiet, never);
  });

  test('starts, answers, is started once only, and leaves nothing when its data is deleted', async () => {
    const { engine, paths } = project();
    const port = await freePort();
    const spec = { name: 'mlflow' as const, port, dataFolder: join(paths.state, 'mlflow') };
    expect(await engine.serviceState('mlflow')).toMatchObject({ state: 'absent' });
    const started = await engine.startService(spec, quiet, never);
    expect(started).toMatchObject({ state: 'running', address: `http://127.0.0.1:${port}` });
    expect((await request(`http://127.0.0.1:${port}/health`)).statusCode).toBe(200);
    expect(await engine.startService(spec, quiet, never)).toEqual(started);
    await engine.stopService('mlflow', { deleteData: false });
    expect(existsSync(join(spec.dataFolder, 'mlflow.db'))).toBe(true);
    await engine.stopService('mlflow', { deleteData: true });
    expect(existsSync(spec.dataFolder)).toBe(false);
    expect(await containersOf(project())).toEqual([]);
  });

  test('names the container that holds its port', async () => {
    const other = await otherProject();
    const listener = createServer().listen(0, '127.0.0.1');
    onTestFinished(() => void listener.close());
    await once(listener, 'listening');
    const { port } = listener.address() as AddressInfo;
    const spec = { name: 'mlflow' as const, port, dataFolder: join(other.paths.state, 'mlflow') };
    await expect(other.engine.startService(spec, quiet, never)).rejects.toMatchObject({
      code: 'PORT_TAKEN',
      message: expect.stringContaining(`(process ${process.pid})`),
      hint: expect.stringContaining('mlflow.port'),
    });
  });
});
