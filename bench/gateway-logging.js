// What the traffic log with its metrics costs, and what budgets and metering cost besides: requests for each second of the gateway's CPU,
// with all of them, without the log, and without any; and what it costs to capture every request besides (redacted, written as Parquet).
// CPU time is read from /proc, because other programs share the machine. Its speed changes from one second to the next all the same: so
// turns are short, each round goes through all of them in another order, and a ratio is the median of the rounds' ratios. Goal: with the
// log at least 0.85 times the requests of without it, all else the same.
//
//   node bench/gateway-logging.js [rounds] [seconds]       40 rounds of 0.4 s a turn unless told otherwise
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

import { build } from 'tsdown';
import { Pool } from 'undici';

import { quantile } from './measure.js';

const [rounds, seconds] = [Number(process.argv[2] ?? 40), Number(process.argv[3] ?? 0.4)];
const warmUpRounds = 6;
const goal = 0.85;
const modes = ['none', 'unlogged', 'all', 'captured'];
const titles = {
  none: 'neither',
  unlogged: 'budgets, metering',
  all: 'budgets, metering, log',
  captured: 'and every request captured',
};
const connections = 32;
const root = fileURLToPath(new URL('..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'mlx-bench-'));
// Beside the packages: SQLite's native part is found from there.
const built = join(root, 'node_modules', '.cache', `mlx-bench-${process.pid}`);
const children = [];
try {
  process.exitCode = (await main()) ? 0 : 1;
} finally {
  // A gateway writes its captures down before it ends.
  await Promise.all(children.map(stop));
  rmSync(folder, { recursive: true, force: true });
  rmSync(built, { recursive: true, force: true });
}

async function main() {
  const mock = await startMock();
  const price = '{ input: 0.2, output: 0.6, cached_input: 0.1 }';
  writeFileSync(
    join(folder, 'mlx.yaml'),
    `upstreams:\n  mock: { dialect: openai, url: "http://127.0.0.1:${mock.address().port}/v1", local: true }\n` +
      `routes:\n  m: { primary: mock/m }\n  captured: { primary: mock/m, capture: {} }\ngateway:\n  prices: { mock/m: ${price} }\n`,
  );
  const entry = { gateway: join(root, 'bench/logging/gateway.js') };
  const external = ['better-sqlite3', 'dockerode'];
  await build({
    entry,
    outDir: built,
    config: false,
    platform: 'node',
    dts: false,
    logLevel: 'error',
    deps: { neverBundle: external },
  });
  const gateways = [];
  for (const mode of modes) gateways.push(await startGateway(mode));
  const figures = new Map(gateways.map(({ mode }) => [mode, []]));
  for (let round = -warmUpRounds; round < rounds; round += 1) {
    for (const gateway of inOrderOf(round, gateways)) {
      const measured = await measure(gateway);
      if (round >= 0) figures.get(gateway.mode).push(measured);
    }
  }
  mock.close();
  return report(figures);
}

async function stop(child) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  await ended;
}

/** Each in every place equally often, forwards and then backwards. */
function inOrderOf(round, gateways) {
  const first = ((round % gateways.length) + gateways.length) % gateways.length;
  const turned = [...gateways.slice(first), ...gateways.slice(0, first)];
  return Math.floor(round / gateways.length) % 2 === 0 ? turned : turned.reverse();
}

function report(figures) {
  const median = (mode, field) =>
    quantile(
      figures.get(mode).map((measured) => measured[field]),
      0.5,
    );
  const ratio = (mode, base) =>
    quantile(
      figures.get(mode).map(({ perCpuSecond }, round) => perCpuSecond / figures.get(base)[round].perCpuSecond),
      0.5,
    );
  console.log(`${'gateway with'.padEnd(28)}requests/CPU s   µs a request         p99 ms`);
  for (const mode of modes) {
    const perCpuSecond = median(mode, 'perCpuSecond');
    const cells = [perCpuSecond.toFixed(0), (1e6 / perCpuSecond).toFixed(0), median(mode, 'p99Ms').toFixed(1)];
    console.log(`${titles[mode].padEnd(27)}${cells.map((text) => text.padStart(15)).join('')}`);
  }
  const logged = ratio('all', 'unlogged');
  console.log(`log on / off     ${logged.toFixed(2)}  ${logged >= goal ? 'met' : 'MISSED'} (>= ${goal})`);
  console.log(`all / neither    ${ratio('all', 'none').toFixed(2)}`);
  console.log(`capture on / off ${ratio('captured', 'all').toFixed(2)}`);
  return logged >= goal;
}

/** One prepared answer. */
async function startMock() {
  const usage = { prompt_tokens: 20, completion_tokens: 64, total_tokens: 84 };
  const choice = { index: 0, message: { role: 'assistant', content: 'word '.repeat(64) }, finish_reason: 'stop' };
  const answer = Buffer.from(
    JSON.stringify({ id: 'c', object: 'chat.completion', created: 1, model: 'm', choices: [choice], usage }),
  );
  const head = { 'content-type': 'application/json', 'content-length': answer.length };
  const server = createServer((incoming, outgoing) =>
    incoming.resume().on('end', () => outgoing.writeHead(200, head).end(answer)),
  );
  server.keepAliveTimeout = 60_000;
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return server;
}

async function startGateway(mode) {
  mkdirSync(join(folder, mode));
  const child = spawn(process.execPath, [join(built, 'gateway.mjs'), folder, mode], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  const [line] = await once(createInterface({ input: child.stdout }), 'line');
  const { port, key } = JSON.parse(line);
  return { mode, key, pid: child.pid, pool: new Pool(`http://127.0.0.1:${port}`, { connections }) };
}

/** @returns {Promise<{perCpuSecond: number, p99Ms: number}>} requests for each second of CPU; how long the slowest of a hundred took */
async function measure({ mode, pool, key, pid }) {
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
  const messages = [{ role: 'user', content: 'Where is my invoice? '.repeat(8) }];
  const body = JSON.stringify({ model: mode === 'captured' ? 'captured' : 'm', max_tokens: 64, messages });
  const beforeS = cpuSeconds(pid);
  const untilMs = performance.now() + seconds * 1000;
  const tookMs = [];
  const ask = async () => {
    while (performance.now() < untilMs) {
      const askedMs = performance.now();
      const answer = await pool.request({ path: '/v1/chat/completions', method: 'POST', headers, body });
      const text = await answer.body.text();
      if (answer.statusCode !== 200) throw new Error(`status ${answer.statusCode}: ${text}`);
      tookMs.push(performance.now() - askedMs);
    }
  };
  await Promise.all(Array.from({ length: connections }, ask));
  return { perCpuSecond: tookMs.length / (cpuSeconds(pid) - beforeS), p99Ms: quantile(tookMs, 0.99) };
}

/** Of all its threads, to the nanosecond: https://docs.kernel.org/scheduler/sched-stats.html#proc-pid-schedstat */
function cpuSeconds(pid) {
  const ofThread = (thread) =>
    Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]) / 1e9;
  return readdirSync(`/proc/${pid}/task`).reduce((sum, thread) => sum + ofThread(thread), 0);
}
