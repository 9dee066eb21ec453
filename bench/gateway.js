// The gateway beside its peers, in front of the same mock upstream, in interleaved rounds: requests for each second of CPU, what
// the way through adds to the median, and streams (100 at once, 64 chunks each).
//
//   npm run build && node bench/gateway.js [rounds] [seconds]       3 rounds of 3 s unless told otherwise
//
// Goals are medians of what each round compares. With taskset the gateway has the first core, the mock the second.
//
// Peers are taken where they are installed: haproxy, nginx and wrk from PATH; MLX_BENCH_PORTKEY names a folder in which
// `npm install @portkey-ai/gateway` was run, MLX_BENCH_LITELLM a Python environment with litellm[proxy]. Our gateway runs with keys, budgets,
// metering and its traffic log on, on one process; the peers log nothing. `bare node` is a proxy of Node's parts alone: the floor.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import {
  contender,
  startBare,
  startHaproxy,
  startLiteLlm,
  startMlx,
  startNginx,
  startPortkey,
} from './gateway/contenders.js';
import { onCore } from './gateway/cores.js';
import { measureFirstToken, measureRequests, measureStreams } from './gateway/load.js';
import { quantile } from './measure.js';

const rounds = Number(process.argv[2] ?? 3);
const seconds = Number(process.argv[3] ?? 3);
const streams = 100;
const firstTokens = 40;
const folder = mkdtempSync(join(tmpdir(), 'mlx-bench-'));
const running = [];
try {
  await main();
} finally {
  for (const one of running.reverse()) await one.stop();
  rmSync(folder, { recursive: true, force: true });
}

async function main() {
  const mock = await startMock();
  const { MLX_BENCH_PORTKEY: portkey = '', MLX_BENCH_LITELLM: litellm = '' } = process.env;
  const starts = [
    () => startMlx(folder, mock.port),
    () => startBare(mock.port),
    () => startHaproxy(folder, mock.port),
    () => startNginx(folder, mock.port),
    () => startPortkey(portkey, mock.port),
    () => startLiteLlm(litellm, folder, mock.port),
  ];
  const contenders = [mock];
  for (const start of starts) {
    const one = await start();
    if (one.skipped) console.log(`-  ${one.name}: skipped, ${one.skipped}`);
    else {
      running.push(one);
      contenders.push(one);
    }
  }
  const figures = new Map(contenders.map(({ name }) => [name, []]));
  for (let round = -1; round < rounds; round += 1) {
    for (const one of contenders) {
      const measured = await measureRound(one);
      // The first round only warms everything up.
      if (round >= 0) figures.get(one.name).push(measured);
    }
  }
  report(figures);
}

async function measureRound(one) {
  const busy = measureRequests(one, { folder, connections: 32, seconds });
  const alone = measureRequests(one, { folder, connections: 1, seconds: 1 });
  const firstMs = await measureFirstToken(one, firstTokens);
  const { frames } = await measureStreams(one, streams);
  return { ...busy, aloneMs: alone.p50Ms, errors: busy.errors + alone.errors, frames, firstMs };
}

function report(figures) {
  const titles = ['req/s', 'req/CPU s', 'p50 alone ms', 'first token ms', 'frames lost', 'errors'];
  console.log(`${'gateway'.padEnd(14)}${titles.map((text) => text.padStart(16)).join('')}`);
  for (const [name, rounds] of figures) console.log(figuresLine(name, rounds));
  judge(figures);
}

function figuresLine(name, measured) {
  const median = (field) =>
    quantile(
      measured.map((one) => one[field]),
      0.5,
    );
  const cells = [
    median('requestsPerSecond').toFixed(0),
    median('requestsPerCpuSecond').toFixed(0),
    median('aloneMs').toFixed(3),
    median('firstMs').toFixed(2),
    framesLost(measured),
    measured.reduce((sum, one) => sum + one.errors, 0),
  ];
  return `${name.padEnd(14)}${cells.map((text) => String(text).padStart(16)).join('')}`;
}

/** Ratios are of each round, then the median: rounds differ more than what is compared. */
function judge(figures) {
  const ours = figures.get('mlx gateway');
  const compared = (compare) =>
    quantile(
      ours.map((_, round) => compare((name) => figures.get(name)[round])),
      0.5,
    );
  const perCpu = (name) => compared((of) => of('mlx gateway').requestsPerCpuSecond / of(name).requestsPerCpuSecond);
  const added = (name) =>
    compared((of) => (of('mlx gateway').aloneMs - of('mock').aloneMs) / (of(name).aloneMs - of('mock').aloneMs));
  goal('the mock is faster than the gateway', 1 / perCpu('mock'), '>=', 1);
  if (figures.has('portkey')) {
    goal('requests/CPU s over Portkey', perCpu('portkey'), '>=', 6);
    goal('added p50 over Portkey', added('portkey'), '<=', 0.3);
  }
  if (figures.has('litellm')) goal('requests/CPU s over LiteLLM', perCpu('litellm'), '>=', 15);
  if (figures.has('haproxy')) goal('added p50 over HAProxy', added('haproxy'), '<=', 3);
  console.log(`added p50 over bare node ${added('bare node').toFixed(2)}: what Node itself takes is below that`);
  if (figures.has('nginx')) {
    const later = compared((of) => of('mlx gateway').firstMs - of('nginx').firstMs);
    goal('added first token over nginx, ms', later, '<=', 1);
  }
  goal(`frames lost of ${streams} streams x 64 chunks x ${rounds} rounds`, framesLost(ours), '<=', 0);
}

function framesLost(measured) {
  return measured.reduce((sum, { frames }) => sum + streams * 64 - frames, 0);
}

function goal(what, value, relation, bound) {
  const met = relation === '>=' ? value >= bound : value <= bound;
  console.log(`${what.padEnd(56)}${value.toFixed(2).padStart(8)}  ${met ? 'met' : 'MISSED'} (${relation} ${bound})`);
}

async function startMock() {
  const script = fileURLToPath(new URL('gateway/mock.js', import.meta.url));
  const [program, ...argv] = [...onCore(1), process.execPath, script];
  const child = spawn(program, argv, { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = await once(child.stdout, 'data');
  const mock = contender('mock', Number(line), child, {});
  running.push(mock);
  return mock;
}
