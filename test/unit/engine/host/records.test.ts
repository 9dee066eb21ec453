import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { expect, test } from 'vitest';

import { projectPaths } from '../../../../src/config/paths.js';
import { serverRecord, readRecords, writeRecord } from '../../../../src/engine/host/records.js';
import { listServers, serverFile, serverFolder } from '../../../../src/engine/host/server-records.js';
import { serviceState, stateOf } from '../../../../src/engine/host/service-records.js';
import { stopServer } from '../../../../src/engine/host/servers.js';
import { currentOwner } from '../../../../src/engine/owner.js';
import { scratchFolder } from '../scratch.js';

const deadOwner = '999999999:1:other';

function server(id: string, owner: string, socket: string) {
  const digest = `sha256:${'0'.repeat(64)}`;
  return { id, owner, model: 'tickets', version: 1, digest, socket, venv: '/venv', startedAtMs: 5 };
}

test('a model server runs while its owner lives, whatever was written down', () => {
  const paths = projectPaths(scratchFolder(), {});
  writeRecord(serverFile(paths, 'a'), server('a', currentOwner(), '/s/a.sock'));
  writeRecord(serverFile(paths, 'b'), server('b', deadOwner, '/s/b.sock'));

  expect(listServers(paths)).toMatchObject([
    { id: 'a', state: 'running', address: 'unix:/s/a.sock', model: 'tickets', version: 1, startedAtMs: 5 },
    { id: 'b', state: 'exited', exitStatus: null },
  ]);
});

test('a record that is half written or of another shape is no server', () => {
  const paths = projectPaths(scratchFolder(), {});
  mkdirSync(serverFolder(paths), { recursive: true });
  writeFileSync(serverFile(paths, 'half'), '{"id":"half",');
  writeFileSync(serverFile(paths, 'other'), '{"id":"other"}');

  expect(readRecords(serverFolder(paths), serverRecord)).toEqual([]);
});

test('stopping a server that died takes its socket and its record away, and can be repeated', async () => {
  const folder = scratchFolder();
  const paths = projectPaths(folder, {});
  const socket = join(folder, 'b.sock');
  writeFileSync(socket, '');
  writeRecord(serverFile(paths, 'b'), server('b', deadOwner, socket));
  await stopServer(paths, 'b', 10);
  await stopServer(paths, 'b', 10);

  expect(listServers(paths)).toEqual([]);
  expect(readdirSync(folder)).not.toContain('b.sock');
});

test('a service is judged by its life, its answer and its age', () => {
  expect(stateOf(false, false, 0)).toBe('exited');
  expect(stateOf(true, true, 999_999)).toBe('running');
  expect(stateOf(true, false, 1_000)).toBe('starting');
  expect(stateOf(true, false, 999_999)).toBe('unhealthy');
});

test('a service that was never started is absent', async () => {
  expect(await serviceState(projectPaths(scratchFolder(), {}), 'mlflow')).toMatchObject({ state: 'absent' });
});
