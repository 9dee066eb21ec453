// A Docker Engine of the test's own, which may be killed and started again: its socket, data and pid file lie in a folder of its own, and it
// lives in a network namespace of its own, where it cannot touch the bridge and the firewall rules of the machine's Engine.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, mkdtempSync, openSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

import { engineVersion } from '../../src/engine/docker/connection.js';
import { runProgram } from '../../src/engine/exec.js';

export type OwnDocker = {
  /** For commands and for the docker CLI. */
  environment: NodeJS.ProcessEnv;
  pid: () => number;
  start: () => Promise<void>;
  /** SIGKILL: as a crash; containers live on until it starts again. SIGTERM: as `systemctl restart`; it stops them. */
  stop: (signal: 'SIGKILL' | 'SIGTERM') => Promise<void>;
  /** Resolves when somebody has ended it. */
  ended: () => Promise<void>;
  remove: () => Promise<void>;
};

/** @returns why there can be none */
export function ownDockerObstacle(): string | undefined {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'a Docker Engine of its own takes root on Linux';
  if (findDockerd() === undefined) return 'there is no dockerd';
  return undefined;
}

export async function startOwnDocker(): Promise<OwnDocker> {
  const folder = mkdtempSync(join(tmpdir(), 'mlx-dockerd-'));
  const socket = join(folder, 'docker.sock');
  const environment = { ...process.env, DOCKER_HOST: `unix://${socket}` };
  let daemon: ChildProcess | undefined;
  const start = async (): Promise<void> => {
    daemon = spawnDaemon(folder, socket);
    while ((await engineVersion(environment)) === undefined) {
      if (daemon.exitCode !== null) throw new Error(`dockerd ended:\n${lastLines(join(folder, 'log'))}`);
      await pause(100);
    }
  };
  const isUp = (): boolean => daemon !== undefined && daemon.exitCode === null && daemon.signalCode === null;
  const ended = async (): Promise<void> => {
    if (daemon && isUp()) await once(daemon, 'exit');
  };
  const stop: OwnDocker['stop'] = async (signal) => {
    if (isUp()) daemon?.kill(signal);
    await ended();
  };
  const remove = async (): Promise<void> => {
    await stop('SIGTERM');
    for (const pid of processesIn(folder)) process.kill(pid, 'SIGKILL');
    for (const mount of mountsIn(folder))
      await runProgram({ file: 'umount', args: ['--lazy', mount], environment }, {});
    rmSync(folder, { recursive: true, force: true, maxRetries: 9 });
  };
  await start();
  return { environment, pid: () => daemon?.pid ?? 0, ended, start, stop, remove };
}

function spawnDaemon(folder: string, socket: string): ChildProcess {
  const program = findDockerd() ?? 'dockerd';
  const places = [
    '--data-root',
    join(folder, 'data'),
    '--exec-root',
    join(folder, 'exec'),
    '--pidfile',
    join(folder, 'pid'),
  ];
  const network = [
    '--bridge',
    'none',
    '--iptables=false',
    '--ip6tables=false',
    '--ip-forward=false',
    '--ip-masq=false',
  ];
  mkdirSync(join(folder, 'exec'), { recursive: true });
  const log = openSync(join(folder, 'log'), 'a');
  const args = ['--net', program, ...places, '--host', `unix://${socket}`, '--group', '0', ...network];
  const path = [dirname(program), process.env['PATH']].join(delimiter);
  const daemon = spawn('unshare', args, { stdio: ['ignore', log, log], env: { ...process.env, PATH: path } });
  closeSync(log);
  return daemon;
}

/** On the PATH, or that which runs here. */
function findDockerd(): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/usr/bin'];
  const named = folders.find((folder) => namesIn(folder).includes('dockerd'));
  if (named !== undefined) return join(named, 'dockerd');
  return pids()
    .flatMap(programOf)
    .find((file) => file.endsWith('/dockerd'));
}

/** Shims, and what they hold, outlive a dockerd that was killed. */
function processesIn(folder: string): number[] {
  return pids().filter((pid) => pid !== process.pid && readOr(`/proc/${pid}/cmdline`).includes(folder));
}

function mountsIn(folder: string): string[] {
  const mounted = readOr('/proc/mounts')
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '');
  return mounted.filter((target) => target.startsWith(`${folder}/`)).toReversed();
}

function pids(): number[] {
  return namesIn('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

function programOf(pid: number): string[] {
  try {
    return [readlinkSync(`/proc/${pid}/exe`)];
  } catch {
    return [];
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function readOr(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

function lastLines(file: string): string {
  return readOr(file).trimEnd().split('\n').slice(-5).join('\n');
}
