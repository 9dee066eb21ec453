// Jobs on a real Engine: what they can reach, what they say, how they end.
import { once } from 'node:events';
import { existsSync, statSync, writeFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { join } from 'node:path';

import Docker from 'dockerode';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';

import { never, probe, quiet, run } from './probe.js';
import { containersOf, otherProject, sharedProject, type DockerProject } from './project.js';

const docker = new Docker();

const { project, skipped, why } = await sharedProject();

describe.skipIf(skipped)(`a job in a container${why}`, () => {
  beforeAll(async () => {
    await project().engine.prepareRuntime('trainer', quiet, never);
  });

  test('a runtime image that is there is not built again', async () => {
    const lines: string[] = [];
    await project().engine.prepareRuntime('trainer', quiet, never);
    const runtime = await project().engine.prepareRuntime('trainer', (line) => lines.push(line), never);
    expect(lines).toEqual([]);
    expect(runtime.id).toBe((await docker.getImage(runtime.reference).inspect()).Id);
  });

  test('is sealed: it reaches neither the outside nor this machine, and has no way to become root', async () => {
    const shared = project();
    const listener = createServer().listen(0, '0.0.0.0');
    onTestFinished(() => void listener.close());
    await once(listener, 'listening');
    const port = (listener.address() as AddressInfo).port;
    const text = `
import os, socket
for host in ["1.1.1.1", "172.17.0.1", "127.0.0.1"]:
  try:
      socket.create_connection((host, ${port}), 3)
      print("reached", host)
  except OSError:
      print("no way to", host)
print(os.listdir("/sys/class/net"))
print([line for line in open("/proc/self/status") if line.startswith(("CapEff", "NoNewPrivs"))])
for folder in ["/", "/mlx", "/opt/venv"]:
  print(os.access(folder, os.W_OK))
print("uid", os.getuid() == 0)
`;
    const { exit, stdout } = await run(shared, probe(shared, 'sealed', text));
    expect(exit).toEqual({ status: 0, signal: null, outOfMemory: false, seal: 'container' });
    expect(stdout).toEqual([
      ...['no way to 1.1.1.1', 'no way to 172.17.0.1', 'no way to 127.0.0.1', "['lo']"],
      String.raw`['CapEff:\t0000000000000000\n', 'NoNewPrivs:\t1\n']`,
      ...['False', 'False', 'False', 'uid False'],
    ]);
  });

  test('hands over its lines one stream each, its exit status, and files that belong to us', async () => {
    const shared = project();
    const text = `
import sys
for number in range(20000): print("line", number)
print("ä" * 40000)
print("to the log", file=sys.stderr)
open("/mlx/out/result", "w").write("x")
sys.exit(3)
`;
    const job = probe(shared, 'lines', text);
    const { exit, stdout, stderr } = await run(shared, job);
    expect(exit.status).toBe(3);
    expect(stdout).toHaveLength(20_001);
    expect(stdout[19_999]).toBe('line 19999');
    expect(stdout[20_000]).toBe('ä'.repeat(40_000));
    expect(stderr).toEqual(['to the log']);
    expect(statSync(join(shared.folder, 'lines-out', 'result')).uid).toBe(process.getuid?.());
    expect(await containersOf(shared)).toEqual([]);
  });

  test('gets SIGTERM when it is aborted, and its own exit status counts', async () => {
    const shared = project();
    const text = `
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: (print("saving"), sys.exit(130)))
print("ready")
time.sleep(600)
`;
    const stop = new AbortController();
    const { exit, stdout } = await run(shared, probe(shared, 'aborted', text), () => stop.abort(), stop.signal);
    expect(stdout).toEqual(['ready', 'saving']);
    expect(exit).toMatchObject({ status: 130, signal: null });
  });

  test('says when its memory ran out', async () => {
    const small = await otherProject('docker:\n  memory_gib: 0.25\n');
    const { exit } = await run(small, probe(small, 'greedy', 'hoard = [bytearray(50 << 20) for _ in range(100)]'));
    expect(exit).toMatchObject({ status: null, signal: 'SIGKILL', outOfMemory: true });
  });

  test('that its dead owner left behind is ended by its id', async () => {
    const shared = project();
    let told = quiet as () => void;
    const ready = new Promise<void>((resolve) => (told = resolve));
    const running = run(shared, probe(shared, 'left', 'import time; print("ready"); time.sleep(600)'), told);
    await ready;
    await expect(run(shared, probe(shared, 'left', ''))).rejects.toMatchObject({ code: 'BUSY' });
    expect(await shared.engine.stopJob('left')).toBe(true);
    expect((await running.catch(() => undefined))?.exit.status ?? null).toBeNull();
    expect(await shared.engine.stopJob('left')).toBe(false);
    expect(await containersOf(shared)).toEqual([]);
  });

  test('keeps a token out of what Docker shows, and gives it to a download as a file', async () => {
    const shared = project();
    const text = `
import os, time
print(open(os.environ["HF_TOKEN_PATH"]).read(), os.environ.get("HF_TOKEN"), os.environ["HF_HUB_OFFLINE"])
while not os.path.exists("/mlx/out/seen"): time.sleep(0.05)
`;
    const job = probe(shared, 'download', text, { network: 'outside', environment: { HF_TOKEN: 'hf_canary' } });
    let shown = Promise.resolve('');
    const inspect = async () => {
      const [container] = await containersOf(shared);
      const everything = JSON.stringify(container && (await docker.getContainer(container.Id).inspect()));
      writeFileSync(join(shared.folder, 'download-out', 'seen'), '');
      return everything;
    };
    const { stdout } = await run(shared, job, () => (shown = inspect()));
    expect(stdout).toEqual(['hf_canary None 0']);
    expect(await shown).toContain('HF_TOKEN_PATH');
    expect(await shown).not.toContain('hf_canary');
  });

  test('without one of its files is not started', async () => {
    const shared = project();
    const job = probe(shared, 'nothing', '');
    const mounts = [...job.mounts, { name: 'model', source: join(shared.folder, 'gone'), writable: false }];
    await expect(run(shared, { ...job, mounts })).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
    expect(existsSync(join(shared.folder, 'gone'))).toBe(false);
  });

  test('an Engine that goes away in the middle of a job is DOCKER_UNREACHABLE, and so is everything after it', async () => {
    const line = await breakableLine(project());
    const other = await otherProject('', { DOCKER_HOST: `unix://${line.socket}` });
    const job = probe(other, 'cut', 'import time; print("ready"); time.sleep(600)');
    await expect(run(other, job, line.cut)).rejects.toMatchObject({ code: 'DOCKER_UNREACHABLE' });
    const gone = { code: 'DOCKER_UNREACHABLE', hint: expect.stringContaining('Start Docker') };
    await expect(other.engine.listServers()).rejects.toMatchObject(gone);
    await expect(other.engine.stopServer('any')).rejects.toMatchObject(gone);
    await expect(other.engine.stopService('mlflow', { deleteData: false })).rejects.toMatchObject(gone);
  });
});

/** A socket that leads to the Engine until it is cut. */
async function breakableLine(project: DockerProject): Promise<{ socket: string; cut: () => void }> {
  const socket = join(project.folder, 'line.sock');
  const open = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect('/var/run/docker.sock');
    for (const end of [near, far]) {
      open.add(end);
      end.on('error', quiet);
    }
    near.pipe(far).pipe(near);
  }).listen(socket);
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  const cut = () => {
    server.close();
    for (const end of open) end.destroy();
  };
  return { socket, cut };
}
