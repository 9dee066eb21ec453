// HAProxy with the same two model servers behind it, switched over its runtime API.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { freePort } from '../free-port.js';

/** @returns {Promise<{port, switchTo, stop}>}, or undefined where it is not installed */
export async function startHaproxy(folder, versions) {
  if (spawnSync('haproxy', ['-v']).error) return undefined;
  const port = await freePort();
  const children = versions.map((adapter, index) => startServer(folder, { ...adapter, version: index + 1 }));
  const api = join(folder, 'haproxy.sock');
  const file = join(folder, 'haproxy.cfg');
  writeFileSync(file, configuration(folder, port, api));
  const haproxy = spawn('haproxy', ['-f', file, '-db'], { stdio: 'ignore' });
  const stop = async () => {
    for (const child of [haproxy, ...children]) {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
  };
  for (const deadlineMs = Date.now() + 30_000; Date.now() < deadlineMs; await pause(50)) {
    const answer = await fetch(`http://127.0.0.1:${port}/health`).catch(() => undefined);
    if (answer?.status === 200) return { port, switchTo: (version) => switchTo(api, version), stop };
  }
  await stop();
  throw new Error('haproxy does not answer');
}

/** The new one takes requests before the old one takes none any more: as it is done so that nothing is lost. */
async function switchTo(api, version) {
  const begunAtMs = Date.now();
  const connection = createConnection(api);
  connection.end(`set server up/v${version} state ready; set server up/v${3 - version} state drain\n`);
  connection.resume();
  await once(connection, 'close');
  return { begunAtMs, endedAtMs: Date.now() };
}

function startServer(folder, adapter) {
  const own = join(folder, `haproxy-v${adapter.version}`);
  mkdirSync(own, { recursive: true });
  writeFileSync(join(own, 'adapter_config.json'), JSON.stringify(adapter));
  const script = fileURLToPath(new URL('model-server.js', import.meta.url));
  const words = ['--adapter', own, '--name', 'tickets', '--socket', join(folder, `v${adapter.version}.sock`)];
  return spawn(process.execPath, [script, ...words], { stdio: 'ignore' });
}

function configuration(folder, port, api) {
  return `global
  nbthread 1
  stats socket ${api} level admin
defaults
  mode http
  timeout connect 3s
  timeout client 600s
  timeout server 600s
  option redispatch
frontend in
  bind 127.0.0.1:${port}
  default_backend up
backend up
  server v1 unix@${folder}/v1.sock
  server v2 unix@${folder}/v2.sock disabled
`;
}
