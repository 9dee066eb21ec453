import { chmodSync, existsSync, mkdirSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';

import { describe, expect, it, onTestFinished } from 'vitest';

import { checkFolders, checkLeftovers, checkProject, fixFolders, fixLeftovers } from '../../../src/doctor/project.js';
import { checkPorts } from '../../../src/doctor/ports.js';
import { writeJobFiles } from '../../../src/engine/docker/job-files.js';
import { currentOwner } from '../../../src/engine/owner.js';
import { MlxError } from '../../../src/errors.js';
import { fakeMachine, host, type FakeMachine } from './fake-machine.js';

const deadOwner = '999999999:1:00000000';

function projectOf(machine: FakeMachine): NonNullable<FakeMachine['project']> {
  if (!machine.project) throw new Error('the fake machine has a project');
  mkdirSync(machine.project.run, { recursive: true });
  return machine.project;
}

describe('the project checks', () => {
  it('say nothing but that there is no project outside one', async () => {
    const machine = fakeMachine({ project: undefined });
    expect(await checkProject(machine)).toMatchObject([{ status: 'skip' }]);
    expect(await checkFolders(machine)).toEqual([]);
    expect(await checkLeftovers(machine)).toEqual([]);
  });

  it('name every problem of mlx.yaml with its line', async () => {
    const problems = [
      { file: 'mlx.yaml', line: 2, path: 'engine', message: 'is not one of auto, docker, host' },
      { file: 'mlx.yaml', line: 5, path: 'gateway.port', message: 'is no number' },
    ];
    const configError = new MlxError('CONFIG_INVALID', 'mlx.yaml has 2 problems.', { problems });
    const [finding] = await checkProject(fakeMachine({ configError }));
    expect(finding?.status).toBe('fail');
    expect(finding?.what.split('\n')).toHaveLength(3);
    expect(finding?.what).toContain('line 5: gateway.port is no number');
  });

  it('find folders that others can read, and close them', async () => {
    const machine = fakeMachine();
    const { state } = projectOf(machine);
    chmodSync(state, 0o755);
    expect(await checkFolders(machine)).toMatchObject([{ status: 'warn' }]);
    expect(await fixFolders(machine)).toContain(`closed ${state} to other users`);
    expect(statSync(state).mode & 0o777).toBe(0o700);
    expect(await checkFolders(machine)).toMatchObject([{ status: 'ok' }]);
    expect(await fixFolders(machine)).toEqual([]);
  });
});

describe('leftovers', () => {
  it('are records of dead owners; those of the living and files of others stay', async () => {
    const machine = fakeMachine();
    const { run } = projectOf(machine);
    mkdirSync(join(run, 'servers'));
    const dead = join(run, 'servers', 'tickets-v1.json');
    const alive = join(run, 'mlflow.json');
    const foreign = join(run, 'notes.json');
    writeFileSync(dead, JSON.stringify({ owner: deadOwner }));
    writeFileSync(alive, JSON.stringify({ owner: currentOwner() }));
    writeFileSync(foreign, '{"owner": 7');
    expect(await checkLeftovers(machine)).toMatchObject([{ status: 'warn' }]);
    expect(await fixLeftovers(machine)).toEqual([`removed ${dead}, whose process is gone`]);
    expect([dead, alive, foreign].map((file) => existsSync(file))).toEqual([false, true, true]);
    expect(await checkLeftovers(machine)).toEqual([]);
  });

  it('are the token and certificates that a killed download was lent, and not those of one that runs', async () => {
    const machine = fakeMachine();
    const { run } = projectOf(machine);
    const lend = (id: string): string => {
      const wanted = { token: 'hf_canary', certificates: undefined };
      return writeJobFiles(join(run, 'jobs', id), wanted, { uid: 10_001, gid: 10_001 }).tokenFile ?? '';
    };
    const [killed, running] = [lend('pull-1'), lend('pull-2')];
    expect(statSync(killed).mode & 0o777).toBe(0o600);
    expect(killed.startsWith(run)).toBe(true);
    writeFileSync(join(run, 'jobs', 'pull-1', 'owner.json'), JSON.stringify({ owner: deadOwner }));
    expect(await fixLeftovers(machine)).toHaveLength(2);
    expect([killed, running].map((file) => existsSync(file))).toEqual([false, true]);
  });

  it('spare the socket of a server that may still load its model, not one that is silent for an hour', async () => {
    const machine = fakeMachine();
    const socket = join(projectOf(machine).run, 'tickets.sock');
    writeFileSync(socket, '');
    expect(await fixLeftovers(machine)).toEqual([]);
    utimesSync(socket, 0, 0);
    expect(await fixLeftovers(machine)).toEqual([`removed ${socket}, whose process is gone`]);
  });
});

describe('the ports', () => {
  it('name the holder, and know their own', async () => {
    const machine = fakeMachine({ engine: host, docker: { reachable: false, what: '', fix: '' } });
    const server = createServer().listen(0, '127.0.0.1');
    onTestFinished(() => void server.close());
    await new Promise((resolve) => server.once('listening', resolve));
    const address = server.address();
    const port = typeof address === 'object' && address ? address.port : 0;
    machine.config.gateway.port = port;
    const [gateway] = await checkPorts(machine);
    expect(gateway).toMatchObject({ check: 'port gateway', status: 'warn' });
    expect(gateway?.what).toContain(`process ${process.pid}`);

    writeFileSync(join(projectOf(machine).run, 'gateway.json'), JSON.stringify({ owner: currentOwner() }));
    expect((await checkPorts(machine))[0]).toMatchObject({ status: 'ok', what: `${port} is held by this project` });
  });
});
