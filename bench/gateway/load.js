// Load on one address: whole answers by wrk, streams by sockets of our own. CPU time is read from /proc: on a machine that others
// use too, requests for each second of CPU say more than requests for each second of the clock.
import { spawnSync } from 'node:child_process';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

import { onCore } from './cores.js';

const ticksPerSecond = 100;
const body = (stream) =>
  JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'Where is my invoice? '.repeat(8) }], stream });

/** @returns {{requestsPerSecond, requestsPerCpuSecond, p50Ms, errors}} */
export function measureRequests({ port, pid, headers = {} }, { folder, connections, seconds }) {
  const script = join(folder, 'wrk.lua');
  const lines = Object.entries({ 'content-type': 'application/json', ...headers }).map(
    ([name, value]) => `wrk.headers[${JSON.stringify(name)}] = ${JSON.stringify(value)}`,
  );
  writeFileSync(script, `wrk.method = "POST"\nwrk.body = ${JSON.stringify(body(false))}\n${lines.join('\n')}\n`);
  const beforeS = cpuSeconds(pid);
  const argv = [
    '-t1',
    `-c${connections}`,
    `-d${seconds}s`,
    '--latency',
    '-s',
    script,
    `http://127.0.0.1:${port}/v1/chat/completions`,
  ];
  // On the gateway's own core it would take turns with what is measured.
  const [program, ...words] = [...onCore(1), 'wrk', ...argv];
  const { stdout, error } = spawnSync(program, words, { encoding: 'utf8' });
  if (error) throw error;
  const usedS = cpuSeconds(pid) - beforeS;
  const count = Number(/(\d+) requests in/.exec(stdout)?.[1]);
  const errors = Number(/Non-2xx or 3xx responses: (\d+)/.exec(stdout)?.[1] ?? 0);
  return {
    requestsPerSecond: Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1]),
    requestsPerCpuSecond: count / usedS,
    p50Ms: milliseconds(/50%\s+([\d.]+)(us|ms|s)/.exec(stdout)),
    errors,
  };
}

/** `count` streams at once, begun one after the other. @returns {{frames, firstMs}} frames of all; the median time to the first of each */
export async function measureStreams({ port, headers = {} }, count) {
  const streams = await Promise.all(
    Array.from({ length: count }, async (_, index) => {
      await pause(index * 10);
      return readStream(port, headers);
    }),
  );
  const firstMs = streams.map((stream) => stream.firstMs).sort((one, other) => one - other);
  return { frames: streams.reduce((sum, { frames }) => sum + frames, 0), firstMs: firstMs[Math.floor(count / 2)] };
}

/** One after the other, each given up after its first bytes. @returns {Promise<number>} the median */
export async function measureFirstToken({ port, headers = {} }, count) {
  const times = [];
  for (let index = 0; index < count; index += 1) times.push(await firstToken(port, headers));
  return times.sort((one, other) => one - other)[Math.floor(count / 2)];
}

function firstToken(port, headers) {
  return new Promise((resolve, reject) => {
    const begunMs = performance.now();
    const options = { port, host: '127.0.0.1', path: '/v1/chat/completions', method: 'POST', agent: false };
    const asking = request({ ...options, headers: { 'content-type': 'application/json', ...headers } }, (answer) => {
      answer.once('data', () => {
        resolve(performance.now() - begunMs);
        asking.destroy();
      });
      answer.on('error', reject);
    });
    asking.on('error', reject);
    asking.end(body(true));
  });
}

function readStream(port, headers) {
  return new Promise((resolve, reject) => {
    const begunMs = performance.now();
    const options = { port, host: '127.0.0.1', path: '/v1/chat/completions', method: 'POST', agent: false };
    const asking = request({ ...options, headers: { 'content-type': 'application/json', ...headers } }, (answer) => {
      let firstMs;
      let text = '';
      answer.setEncoding('utf8').on('data', (part) => {
        firstMs ??= performance.now() - begunMs;
        text += part;
      });
      answer.on('end', () => resolve({ firstMs, frames: text.match(/"content":/g)?.length ?? 0 }));
      answer.on('error', reject);
    });
    asking.on('error', reject);
    asking.end(body(true));
  });
}

function milliseconds(match) {
  const [, value, unit] = match ?? [];
  return Number(value) * { us: 0.001, ms: 1, s: 1000 }[unit ?? 'ms'];
}

/** Of the process and its children. */
function cpuSeconds(pid) {
  return family(pid).reduce((sum, one) => sum + ticksOf(one) / ticksPerSecond, 0);
}

function family(pid) {
  const children = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => fieldsOf(name)?.[1] === String(pid));
  return [pid, ...children.flatMap((child) => family(Number(child)))];
}

function ticksOf(pid) {
  const fields = fieldsOf(pid);
  return fields ? Number(fields[11]) + Number(fields[12]) : 0;
}

/** Behind the name in brackets, which may hold anything. https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html */
function fieldsOf(pid) {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1).split(' ');
  } catch {
    return undefined;
  }
}
