// The host engine with real Python environments and real processes.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { createServer, get } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createInterface } from 'node:readline';
import { join } from 'node:path';

import { build } from 'tsdown';
import { describe, expect, onTestFinished, test } from 'vitest';

import { packageRoot } from '../../src/config/paths.js';
import { startDetached } from '../../src/engine/detached.js';
import type { Job, JobExit } from '../../src/engine/engine.js';
import { writeRecord } from '../../src/engine/host/records.js';
import { loopbackWords, sealPlan } from '../../src/engine/host/seal.js';
import { askProgram } from '../../src/engine/exec.js';
import { ownerIsAlive, ownerOf } from '../../src/engine/owner.js';
import { isPortFree, portHolder } from '../../src/engine/port.js';
import { freePort } from '../../src/engine/port.js';
import { hostProject, type HostProject } from './host-project.js';

const never = new AbortController().signal;
const quiet = () => undefined;
const plan = await sealPlan(process.env);

function script(project: HostProject, text: string): string {
  const file = join(project.paths.project, 'probe.py');
  writeFileSync(file, text);
  return file;
}

function job(project: HostProject, text: string, more: Partial<Job> = {}): Job {
  const argv = [script(project, text)];
  return { id: 'job-1', runtime: 'mlflow', argv, mounts: [], environment: {}, network: 'none', gpu: false, ...more };
}

async function run(project: HostProject, wanted: Job, onLine: (line: string) => void = quiet, signal = never) {
  const lines: string[] = [];
  const keep = (line: string) => {
    lines.push(line);
    onLine(line);
  };
  const exit: JobExit = await project.engine.runJob(wanted, { onStdout: keep, onStderr: keep, signal });
  return { exit, lines };
}

async function localServer(): Promise<string> {
  const server = createServer((_, answer) => answer.end('reached')).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  onTestFinished(() => void server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

const connect = `import os, urllib.request
try:
    print(urllib.request.urlopen(os.environ["TARGET"], timeout=5).read().decode())
except OSError as error:
    print("no way out:", type(error).__name__)
`;

describe('environments', () => {
  test('an environment is installed once, whole, and found again by its lock', async () => {
    const { engine, paths } = await hostProject();
    const first = await engine.prepareRuntime('mlflow', quiet, never);
    const lines: string[] = [];
    const second = await engine.prepareRuntime('mlflow', (line) => lines.push(line), never);

    expect(second).toEqual(first);
    expect(first).toMatchObject({ name: 'mlflow', reference: 'mlflow.txt' });
    expect(lines).toEqual([]);
    expect(readdirSync(paths.venvs).filter((name) => /building|lock/.test(name))).toEqual([]);
  });
});

describe('jobs', () => {
  test('a job sees its mounts, its environment, and neither tokens nor strange variables of ours', async () => {
    const project = await hostProject({ HF_TOKEN: 'secret', STRANGE: 'x', OMP_NUM_THREADS: '3' });
    const out = join(project.paths.project, 'out');
    mkdirSync(out);
    const text = `import os, sys
open(sys.argv[1] + "/written", "w").write("by the job")
print(os.environ.get("HF_TOKEN"), os.environ.get("STRANGE"), os.environ["OMP_NUM_THREADS"], os.environ["WHERE"] == sys.argv[1])
print(os.environ["HF_HUB_OFFLINE"], os.environ["PYTHONDONTWRITEBYTECODE"], repr(os.environ["CUDA_VISIBLE_DEVICES"]))
print("to the log", file=sys.stderr)
sys.exit(3)
`;
    const wanted = job(project, text, { environment: { WHERE: '{out}', HF_TOKEN: 'asked' } });
    const mounts = [{ name: 'out', source: out, writable: true }];
    const { exit, lines } = await run(project, { ...wanted, argv: [...wanted.argv, '{out}'], mounts });

    expect(lines.toSorted()).toEqual(["1 1 ''", 'None None 3 True', 'to the log']);
    expect(exit).toEqual({ status: 3, signal: null, outOfMemory: false, seal: plan.seal });
    expect(existsSync(join(out, 'written'))).toBe(true);
    expect(existsSync(join(project.paths.run, 'jobs', 'job-1.json'))).toBe(false);
  });

  test.runIf(plan.seal === 'namespace')('a sealed job reaches nothing, not even this machine', async () => {
    const project = await hostProject();
    const TARGET = await localServer();
    const sealed = await run(project, job(project, connect, { environment: { TARGET } }));
    const open = await run(project, job(project, connect, { environment: { TARGET }, network: 'outside' }));

    expect(sealed).toEqual({
      lines: ['no way out: URLError'],
      exit: { status: 0, signal: null, outOfMemory: false, seal: 'namespace' },
    });
    expect({ lines: open.lines, seal: open.exit.seal }).toEqual({ lines: ['reached'], seal: 'none' });
  });

  test.runIf(plan.seal === 'namespace')(
    'a program whose parts talk to each other has a loopback of its own',
    async () => {
      const project = await hostProject();
      const TARGET = await localServer();
      const text = `${connect}
import socket
with socket.create_server(("127.0.0.1", 0)) as own:
    socket.create_connection(own.getsockname()).close()
    print("own loopback")
`;
      const python = await pythonFile();
      const [file = '', ...args] = [...plan.network, ...loopbackWords(plan, python), python, script(project, text)];
      const answer = await askProgram({ file, args, environment: { PATH: process.env['PATH'], TARGET } });

      expect(answer).toMatchObject({ status: 0, stdout: 'no way out: URLError\nown loopback' });
    },
  );

  test('where the system permits no seal, the job is told to stay offline and says so', async () => {
    const project = await hostProject({ PATH: '/no/such/folder', MLX_PYTHON: await pythonFile() });
    const { exit, lines } = await run(project, job(project, 'import os; print(os.environ["TRANSFORMERS_OFFLINE"])'));

    expect({ seal: exit.seal, lines }).toEqual({ seal: 'environment', lines: ['1'] });
  });

  test('a token goes to a job that downloads, and to no other', async () => {
    const project = await hostProject({ HF_TOKEN: 'secret' });
    const show = 'import os; print(os.environ.get("HF_TOKEN"), os.environ.get("HF_HUB_OFFLINE"))';

    expect((await run(project, job(project, show, { network: 'outside' }))).lines).toEqual(['secret None']);
    expect((await run(project, job(project, show))).lines).toEqual(['None 1']);
  });

  test('aborting lets the job save its work and say so', async () => {
    const project = await hostProject();
    const stop = new AbortController();
    const text = `import signal, sys
def save(*_):
    print("saved")
    sys.exit(130)
signal.signal(signal.SIGTERM, save)
print("ready")
while True:
    signal.pause()
`;
    const { exit, lines } = await run(
      project,
      job(project, text),
      (line) => line === 'ready' && stop.abort(),
      stop.signal,
    );

    expect(lines).toEqual(['ready', 'saved']);
    expect(exit).toMatchObject({ status: 130, signal: null });
  });

  test('a job that somebody kills is no out-of-memory', async () => {
    const project = await hostProject();
    const text = 'import os, signal, time; print(os.getpid()); time.sleep(600)';
    const { exit } = await run(project, job(project, text), (line) => process.kill(Number(line), 'SIGKILL'));

    expect(exit).toEqual({ status: null, signal: 'SIGKILL', outOfMemory: false, seal: plan.seal });
  });

  test('a second job of the same id is refused while the first runs', async () => {
    const project = await hostProject();
    const stop = new AbortController();
    const refused: unknown[] = [];
    const wanted = job(project, 'import time; print("ready"); time.sleep(600)');
    const attempt = () =>
      run(project, wanted)
        .catch((error: unknown) => refused.push(error))
        .finally(() => stop.abort());
    const { exit } = await run(project, wanted, () => void attempt(), stop.signal);

    expect(refused).toMatchObject([{ code: 'BUSY' }]);
    expect(exit.signal).toBe('SIGTERM');
  });

  test('a job that outlived its mlx is ended, with its workers', async () => {
    const project = await hostProject();
    const file = script(project, 'import os, time\nif os.fork() == 0: time.sleep(600)\ntime.sleep(600)\n');
    const environment = { PATH: process.env['PATH'] };
    const program = { file: await pythonFile(), args: [file], environment, mark: 'job-9' };
    const record = join(project.paths.run, 'jobs', 'job-9.json');
    const owner = await startDetached({ ...program, logFile: join(project.paths.run, 'log') }, (started) =>
      writeRecord(record, { id: 'job-9', owner: started }),
    );

    expect(await project.engine.stopJob('job-9')).toBe(true);
    expect(ownerIsAlive(owner)).toBe(false);
    expect(existsSync(record)).toBe(false);
    expect(await project.engine.stopJob('job-9')).toBe(false);
  });

  test.runIf(plan.life.length > 0)('a job dies when its mlx is killed', async () => {
    const project = await hostProject();
    const file = script(project, 'import os, time; print(os.getpid()); time.sleep(600)');
    const bundle = join(packageRoot(), 'node_modules', '.cache', 'mlx-host-test');
    const entry = { 'run-job': join(import.meta.dirname, 'run-job.ts') };
    await build({
      entry,
      outDir: bundle,
      config: false,
      format: 'esm',
      platform: 'node',
      dts: false,
      logLevel: 'silent',
    });
    const mlx = spawn(process.execPath, [join(bundle, 'run-job.mjs'), project.paths.project, file], {
      env: project.environment,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [pid] = await firstLines(mlx.stdout, 1);
    const owner = ownerOf(Number(pid)) ?? '';
    expect(ownerIsAlive(owner)).toBe(true);
    mlx.kill('SIGKILL');

    // Without the seal on its life this would wait for ever.
    while (ownerIsAlive(owner)) await new Promise(setImmediate);
    expect(await project.engine.stopJob('job-1')).toBe(false);
  });
});

describe('services', () => {
  test('MLflow starts once, answers this machine alone, comes back after a crash, and leaves nothing', async () => {
    const { engine, paths } = await hostProject();
    const port = await freePort();
    const spec = { name: 'mlflow' as const, port, dataFolder: join(paths.state, 'mlflow') };
    onTestFinished(() => engine.stopService('mlflow', { deleteData: true }));
    const first = await engine.startService(spec, quiet, never);
    const second = await engine.startService(spec, quiet, never);

    expect(first).toMatchObject({ name: 'mlflow', state: 'running', address: `http://127.0.0.1:${port}` });
    expect(second.startedAtMs).toBe(first.startedAtMs);
    expect(await statusFor(port, 'elsewhere.example')).toBe(403);
    expect(await statusFor(port, `127.0.0.1:${port}`)).toBe(200);

    const holder = Number(/process (\d+)/.exec((await portHolder(port)) ?? '')?.[1]);
    process.kill(holder, 'SIGKILL');
    while (ownerOf(holder) !== undefined) await new Promise(setImmediate);
    await engine.startService(spec, quiet, never);
    expect((await engine.serviceState('mlflow')).state).toBe('running');

    await engine.stopService('mlflow', { deleteData: true });
    expect(await engine.serviceState('mlflow')).toMatchObject({ state: 'absent' });
    expect(await isPortFree(port)).toBe(true);
    expect(existsSync(spec.dataFolder)).toBe(false);
  });

  test('a port that is taken is an error that names who holds it, and starts nothing', async () => {
    const { engine, paths } = await hostProject();
    const port = Number(new URL(await localServer()).port);
    const spec = { name: 'mlflow' as const, port, dataFolder: join(paths.state, 'mlflow') };

    await expect(engine.startService(spec, quiet, never)).rejects.toMatchObject({
      code: 'PORT_TAKEN',
      message: expect.stringContaining(`(process ${process.pid})`),
    });
    expect((await engine.serviceState('mlflow')).state).toBe('absent');
  });
});

/** The status that MLflow gives to a browser which believes that it talks to `host`. */
function statusFor(port: number, host: string): Promise<number | undefined> {
  const path = '/api/2.0/mlflow/experiments/search?max_results=1';
  return new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port, path, headers: { host } }, (answer) => resolve(answer.resume().statusCode)).once(
      'error',
      reject,
    );
  });
}

async function pythonFile(): Promise<string> {
  const { findPython } = await import('../../src/engine/host/python.js');
  return (await findPython(process.env)).executable;
}

async function firstLines(stream: NodeJS.ReadableStream, count: number): Promise<string[]> {
  const lines: string[] = [];
  for await (const line of createInterface({ input: stream })) {
    lines.push(line);
    if (lines.length === count) break;
  }
  return lines;
}
