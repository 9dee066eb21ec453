import { expect, test } from 'vitest';

import { projectPaths } from '../../../src/config/paths.js';
import { toConfig } from '../../../src/config/load.js';
import { configSchema, type Config } from '../../../src/config/schema.js';
import type { Engine } from '../../../src/engine/engine.js';
import { MlxError } from '../../../src/errors.js';
import { planDown, stopStack } from '../../../src/stack/down.js';
import { allEngines, usedEngines } from '../../../src/stack/engines.js';
import { findSource, knownSources } from '../../../src/stack/logs.js';
import { serverState, stackParts } from '../../../src/stack/status.js';
import { planStack, startStack } from '../../../src/stack/up.js';
import { fakeEngine, modelServer } from './fake-engine.js';

const quiet = () => undefined;
const signal = new AbortController().signal;

function config(mlflow: Partial<Config['mlflow']> = {}): Config {
  const defaults = toConfig(configSchema.parse({}), '/p');
  const ours = { enabled: true, port: 4601, trackingUri: undefined, experiment: 'mlx', ...mlflow };
  return { ...defaults, mlflow: ours };
}

test('up starts MLflow on its port with its data in the project, and leaves it alone the second time', async () => {
  const engine = fakeEngine();
  const edges = { engine, config: config(), paths: projectPaths('/p', {}), environment: {}, onProgress: quiet, signal };
  const first = await startStack(edges);

  expect(first).toMatchObject({ engine: 'host', services: [{ name: 'mlflow', address: 'http://127.0.0.1:4601' }] });
  expect(await startStack(edges)).toEqual(first);
});

test.each([
  [{ enabled: false }, {}, 'mlflow.enabled is false'],
  [{ trackingUri: 'http://elsewhere' }, {}, 'mlflow.tracking_uri names another MLflow'],
  [{}, { MLFLOW_TRACKING_URI: 'http://elsewhere' }, 'MLFLOW_TRACKING_URI names another MLflow'],
])('an MLflow that is not ours is not started, and the reason is told (%j %j)', (mlflow, environment, reason) => {
  expect(planStack(config(mlflow), environment)).toEqual({ wanted: [], skipped: [{ name: 'mlflow', reason }] });
});

test('down stops every server and service on every engine, and keeps data unless it is told', async () => {
  const host = fakeEngine('host');
  const docker = fakeEngine('docker');
  host.servers.set('a', modelServer('a'));
  docker.servers.set('b', modelServer('b', { version: 2 }));
  await docker.startService({ name: 'mlflow', port: 1, dataFolder: '/d' }, quiet, signal);
  const plan = await planDown([host, docker]);

  expect(await stopStack(plan, false, quiet)).toEqual(['tickets:1 (a)', 'tickets:2 (b)', 'mlflow']);
  expect([host.servers.size, docker.servers.size, docker.services.size]).toEqual([0, 0, 0]);
  expect([...host.deletedData, ...docker.deletedData]).toEqual([]);
});

test('down with deletion also deletes the data of an MLflow that does not run', async () => {
  const host = fakeEngine();

  expect(await stopStack(await planDown([host]), true, quiet)).toEqual([]);
  expect(host.deletedData).toEqual(['mlflow']);
});

test('a server that lives but stays silent is starting until its time is over, then it is ill', () => {
  expect(serverState('running', true, 999, 500)).toBe('running');
  expect(serverState('running', false, 499, 500)).toBe('starting');
  expect(serverState('running', false, 500, 500)).toBe('unhealthy');
  expect(serverState('exited', false, 1, 500)).toBe('exited');
});

test('status shows the last lines and the next command of what is not well, and of nothing else', async () => {
  const engine = fakeEngine();
  await engine.startService({ name: 'mlflow', port: 1, dataFolder: '/d' }, quiet, signal);
  engine.servers.set('tickets-v1-aa', modelServer('tickets-v1-aa', { state: 'exited' }));
  const parts = await stackParts({ engines: [engine], readyTimeoutMs: 500, now: () => new Date(2_000) });

  expect(parts).toMatchObject([
    { name: 'mlflow', kind: 'service', state: 'running', lastLines: [], fix: undefined },
    {
      name: 'tickets-v1-aa',
      kind: 'server',
      state: 'exited',
      lastLines: ['first line of tickets-v1-aa', 'last line of tickets-v1-aa'],
      fix: 'mlx logs tickets-v1-aa; then mlx serve tickets:1',
    },
  ]);
});

test('logs are found by service, by server and by model: the newest server of it', async () => {
  const host = fakeEngine();
  host.servers.set('old', modelServer('old', { startedAtMs: 1 }));
  host.servers.set('new', modelServer('new', { startedAtMs: 2 }));

  expect(await findSource([host], 'tickets')).toEqual({ engine: host, name: 'new' });
  expect(await findSource([host], 'old')).toEqual({ engine: host, name: 'old' });
  expect(await findSource([host], 'mlflow')).toBeUndefined();
  expect(await knownSources([host])).toEqual(['new', 'old']);
});

test('a Docker that does not answer holds nothing that could be stopped; other failures are told', async () => {
  const host = fakeEngine('host') as unknown as Engine;
  const failing = (code: string) => (kind?: string) =>
    kind === 'docker' ? Promise.reject(new MlxError(code, 'no')) : Promise.resolve(host);

  expect(await allEngines(failing('DOCKER_UNREACHABLE'), undefined)).toEqual([host]);
  await expect(allEngines(failing('OTHER'), undefined)).rejects.toMatchObject({ code: 'OTHER' });
  expect(await usedEngines(failing('OTHER'), undefined)).toEqual([host]);
});
