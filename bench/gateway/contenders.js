// What stands between the client and the mock: our gateway as it is installed, and its peers where they are installed.
import { spawn as start, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { freePort } from '../free-port.js';
import { mlx, runMlx, runToEnd } from '../mlx.js';
import { onCore } from './cores.js';

const pin = onCore(0);
const spawn = (program, argv, options) => {
  const [file, ...given] = [...pin, program, ...argv];
  return start(file, given, options);
};

/** @returns {Promise<{name, port, pids, headers, stop}>} or `{name, skipped}` with the reason */
export async function startMlx(folder, mockPort) {
  const project = join(folder, 'project');
  const environment = { ...process.env, MLX_HOME: join(folder, 'home'), MLX_ENGINE: 'host', NODE_OPTIONS: '' };
  mkdirSync(project, { recursive: true });
  const port = await freePort();
  // Local: nothing is redacted, as none of the peers redacts. Keys, budgets, metering and the traffic log are on.
  writeFileSync(
    join(project, 'mlx.yaml'),
    `gateway: { port: ${port} }
upstreams:
  mock: { dialect: openai, url: "http://127.0.0.1:${mockPort}/v1", local: true }
routes:
  m: { primary: mock/m }
`,
  );
  const limits = ['--requests-per-minute', '100000000', '--tokens-day', '1000000000000'];
  const created = JSON.parse(runMlx(['keys', 'create', 'bench', ...limits, '--json'], environment, project));
  // As people start it: the command puts its own process there, with the flags for Node that it has for it, on the command's core.
  const [file, ...given] = [...pin, process.execPath, mlx, 'gateway', 'start'];
  runToEnd(file, given, environment, project);
  const { pid } = JSON.parse(runMlx(['gateway', 'status', '--json'], environment, project));
  return {
    ...{ name: 'mlx gateway', port, pid, headers: { authorization: `Bearer ${created.secret}` } },
    stop: async () => void runMlx(['gateway', 'stop'], environment, project),
  };
}

/** Node's own server and undici, which our gateway is made of, and nothing else. */
export async function startBare(mockPort) {
  const port = await freePort();
  const script = fileURLToPath(new URL('bare.js', import.meta.url));
  const child = spawn(process.execPath, [script, String(port), String(mockPort)], { stdio: 'ignore' });
  return whenReady('/', contender('bare node', port, child, {}));
}

/** @param home a folder in which `npm install @portkey-ai/gateway` was run */
export async function startPortkey(home, mockPort) {
  const script = join(home, 'node_modules/@portkey-ai/gateway/build/start-server.js');
  if (!existsSync(script))
    return { name: 'portkey', skipped: `not installed: npm install @portkey-ai/gateway in ${home}` };
  const port = await freePort();
  const child = spawn(process.execPath, [script, `--port=${port}`, '--headless'], { stdio: 'ignore', cwd: home });
  return whenReady(
    '/',
    contender('portkey', port, child, {
      authorization: 'Bearer x',
      'x-portkey-provider': 'openai',
      'x-portkey-custom-host': `http://127.0.0.1:${mockPort}/v1`,
    }),
  );
}

/** @param home a Python environment with litellm[proxy] */
export async function startLiteLlm(home, folder, mockPort) {
  const program = join(home, 'bin', 'litellm');
  if (!existsSync(program))
    return { name: 'litellm', skipped: `not installed: uv pip install 'litellm[proxy]' into ${home}` };
  const port = await freePort();
  const config = join(folder, 'litellm.yaml');
  const model = `{ model: openai/m, api_base: "http://127.0.0.1:${mockPort}/v1", api_key: x }`;
  writeFileSync(config, `model_list:\n  - { model_name: m, litellm_params: ${model} }\n`);
  const environment = {
    ...process.env,
    LITELLM_TELEMETRY: 'False',
    LITELLM_LOCAL_MODEL_COST_MAP: 'True',
    LITELLM_LOG: 'ERROR',
    // Without one it does not start.
    LITELLM_MASTER_KEY: 'sk-bench',
  };
  const argv = ['--config', config, '--port', String(port), '--host', '127.0.0.1', '--num_workers', '1'];
  const child = spawn(program, argv, { stdio: 'ignore', env: environment, cwd: folder });
  return whenReady('/health/liveliness', contender('litellm', port, child, { authorization: 'Bearer sk-bench' }));
}

export async function startHaproxy(folder, mockPort) {
  if (spawnSync('haproxy', ['-v']).error) return { name: 'haproxy', skipped: 'haproxy is not installed' };
  const port = await freePort();
  const file = join(folder, 'haproxy.cfg');
  writeFileSync(
    file,
    `global
  nbthread 1
defaults
  mode http
  option http-no-delay
  timeout connect 3s
  timeout client 600s
  timeout server 600s
frontend in
  bind 127.0.0.1:${port}
  default_backend up
backend up
  server mock 127.0.0.1:${mockPort}
`,
  );
  const child = spawn('haproxy', ['-f', file, '-db'], { stdio: 'ignore' });
  return whenReady('/', contender('haproxy', port, child, {}));
}

export async function startNginx(folder, mockPort) {
  if (spawnSync('nginx', ['-v']).error) return { name: 'nginx', skipped: 'nginx is not installed' };
  const port = await freePort();
  const file = join(folder, 'nginx.conf');
  writeFileSync(
    file,
    `daemon off; pid ${folder}/nginx.pid; worker_processes 1; error_log ${folder}/nginx.log;
events { worker_connections 1024; }
http {
  access_log off;
  upstream up { server 127.0.0.1:${mockPort}; keepalive 64; }
  server {
    listen 127.0.0.1:${port};
    location / { proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off; }
  }
}
`,
  );
  const child = spawn('nginx', ['-c', file, '-p', folder], { stdio: 'ignore' });
  return whenReady('/', contender('nginx', port, child, {}));
}

export function contender(name, port, child, headers) {
  const stop = async () => {
    if (child.exitCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), 3_000);
    await ended;
    clearTimeout(timer);
  };
  return { name, port, pid: child.pid, headers, stop, hasEnded: () => child.exitCode !== null };
}

/** One that never answers is stopped again. */
async function whenReady(path, one) {
  const deadlineMs = Date.now() + 180_000;
  while (Date.now() < deadlineMs && !one.hasEnded()) {
    const answered = await fetch(`http://127.0.0.1:${one.port}${path}`).then(
      () => true,
      () => false,
    );
    if (answered) return one;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  await one.stop();
  throw new Error(`${one.name} ${one.hasEnded() ? 'ended at once' : `does not answer on port ${one.port}`}`);
}
