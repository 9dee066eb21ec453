// Switches between two versions under load, through the command that a user types, beside HAProxy's runtime API with the same servers.
//
//   npm run build && node bench/switch.js [switches]       50 switches unless told otherwise; some minutes
//
// 32 connections and 20 open streams all the while; an answer takes 20 ms. Both servers are warm, so that a switch is the switch and not a model's start.
// "command" is what the command measures of itself (its ledger writes, the gateway's word, tags, aliases); "whole process" is with Node's
// start. "first new answer" is from the moment of the switch (the flip in the journal; HAProxy's command) to the first answer of the new
// version at a client. The image step is two tags of the host engine's image layout, halved, against `docker tag` where Docker answers.
// Hold: the old server is stopped, the new one needs 3 s to start, and 8 clients keep asking.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

import { quantile } from './measure.js';
import { startHaproxy } from './switch/haproxy.js';
import { startLoad } from './switch/load.js';
import { makeProject } from './switch/project.js';

const switches = Number(process.argv[2] ?? 50);
const fast = { answer_ms: 20, chunk_ms: 20, chunks: 60 };
const versions = [fast, fast, { ...fast, start_ms: 3_000 }];
const folder = mkdtempSync(join(tmpdir(), 'mlx-bench-'));
const project = await makeProject(folder, versions);
try {
  await measureSwitches();
  await measureHold();
} finally {
  project.stop();
  rmSync(folder, { recursive: true, force: true });
}

async function measureSwitches() {
  project.runSync('serve', 'tickets:1');
  const target = { port: project.port, key: project.key, versionHeader: 'x-mlx-version' };
  const mlx = await switchUnderLoad(
    target,
    async (version) => {
      const { value, begunAtMs, endedAtMs } = await project.run('promote', `tickets:${version}`);
      return { id: value.id, commandMs: value.duration_ms, begunAtMs, endedAtMs };
    },
    readJournal,
  );
  const haproxy = await startHaproxy(folder, versions.slice(0, 2));
  const peer = haproxy && (await switchHaproxy(haproxy));
  report(mlx, peer);
}

/** When the load is over: the clients live in this process, which must not stand still while they wait for an answer. */
function readJournal(made) {
  const { steps } = JSON.parse(project.runSync('releases', 'show', String(made.id), '--json'));
  const step = (name) => steps.find((one) => one.step === name);
  return { ...made, flippedAtMs: step('flip').started_at_ms, tagsMs: step('tags').duration_ms };
}

async function switchHaproxy(haproxy) {
  try {
    return await switchUnderLoad(
      { port: haproxy.port, key: 'x', versionHeader: 'x-served-version' },
      async (version) => {
        const { begunAtMs, endedAtMs } = await haproxy.switchTo(version);
        return { flippedAtMs: begunAtMs, begunAtMs, endedAtMs };
      },
    );
  } finally {
    await haproxy.stop();
  }
}

/** Version 1 has the requests at the beginning. The first switch starts a server, and is not counted. */
async function switchUnderLoad(target, switchTo, complete = (made) => made) {
  const load = startLoad(target, { connections: 32, streams: 20 });
  const switched = [];
  for (let index = 0; index <= switches; index += 1) {
    const version = index % 2 === 0 ? 2 : 1;
    await pause(100);
    const one = await switchTo(version);
    await pause(100);
    if (index > 0) switched.push({ ...one, version });
  }
  const { answers, lost, cut } = await load.stop();
  const made = switched.map(complete);
  const firstNewMs = made.map(({ flippedAtMs, version }) => {
    const first = answers.filter((one) => one.version === version && one.answeredAtMs >= flippedAtMs);
    return Math.min(...first.map(({ answeredAtMs }) => answeredAtMs)) - flippedAtMs;
  });
  const stale = made.flatMap(({ endedAtMs, version }, index) => {
    const untilMs = made[index + 1]?.begunAtMs ?? Infinity;
    return answers.filter((one) => one.begunAtMs > endedAtMs && one.begunAtMs < untilMs && one.version !== version);
  });
  return { made, answers: answers.length, lost, cut, stale: stale.length, firstNewMs };
}

function report(mlx, peer) {
  const median = (values) => quantile(values, 0.5);
  const { made } = mlx;
  console.log(
    `${switches} switches, 32 connections, 20 streams: ${mlx.answers} answers${peer ? `, haproxy ${peer.answers}` : ''}`,
  );
  for (const failure of [...mlx.lost, ...mlx.cut].slice(0, 5)) console.log(`  ${failure}`);
  goal('requests lost', mlx.lost.length, 0);
  goal('streams cut', mlx.cut.length, 0);
  goal('requests to the old version after the return', mlx.stale, 0);
  goal('command p50, ms', median(made.map(({ commandMs }) => commandMs)), 50);
  told('whole process p50, ms', median(made.map(({ begunAtMs, endedAtMs }) => endedAtMs - begunAtMs)));
  told('first new answer p50, ms', median(mlx.firstNewMs));
  if (peer) {
    told('first new answer p50 of haproxy, ms', median(peer.firstNewMs));
    told('requests lost, streams cut by haproxy', peer.lost.length + peer.cut.length);
    // Its clock has whole milliseconds: below one, both are as fast as it tells.
    goal('first new answer over haproxy', median(mlx.firstNewMs) / Math.max(1, median(peer.firstNewMs)), 2);
  } else told('haproxy is not installed', 0);
  const tagMs = dockerTagMs();
  const ownTagMs = median(made.map(({ tagsMs }) => tagsMs)) / 2;
  if (tagMs === undefined) told('a tag, ms (no Docker to compare with)', ownTagMs);
  else goal('image step over docker tag', ownTagMs / tagMs, 2);
}

/** Of an image that is there; its second name goes again. */
function dockerTagMs() {
  const listed = spawnSync('docker', ['images', '--quiet'], { encoding: 'utf8' });
  const image = listed.status === 0 ? listed.stdout.split('\n')[0] : '';
  if (!image) return undefined;
  const name = `mlx-bench:switch-${process.pid}`;
  const durationsMs = Array.from({ length: 9 }, () => {
    const begun = performance.now();
    execFileSync('docker', ['tag', image, name]);
    return performance.now() - begun;
  });
  execFileSync('docker', ['rmi', '--no-prune', name]);
  return quantile(durationsMs, 0.5);
}

async function measureHold() {
  const load = startLoad(
    { port: project.port, key: project.key, versionHeader: 'x-mlx-version' },
    { connections: 8, streams: 0 },
  );
  await project.run('promote', 'tickets:3', '--strategy', 'hold', '--max-hold', '60');
  await pause(200);
  const { answers, lost } = await load.stop();
  const longestMs = Math.max(...answers.map(({ begunAtMs, answeredAtMs }) => answeredAtMs - begunAtMs));
  for (const failure of lost.slice(0, 5)) console.log(`  ${failure}`);
  goal('requests lost while held for a server that needs 3 s', lost.length, 0);
  told('the longest wait of a held request, ms', longestMs);
}

function goal(what, value, bound) {
  console.log(`${what.padEnd(56)}${value.toFixed(2).padStart(10)}  ${value <= bound ? 'met' : 'MISSED'} (<= ${bound})`);
}

function told(what, value) {
  console.log(`${what.padEnd(56)}${value.toFixed(2).padStart(10)}`);
}
