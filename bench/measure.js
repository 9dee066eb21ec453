// Measures programs side by side: rounds in turn (A B C, A B C, ...), so that a busy moment hits all of them alike,
// and compares medians as ratios. Plain Node, no packages.
import { spawnSync } from 'node:child_process';

/** One line a candidate: `{ name, argv, goal, environment, folder }`; `goal` is the highest allowed ratio to the first. */
export function compareStarts(candidates, rounds) {
  const durationsMs = candidates.map(() => []);
  for (const candidate of candidates) runOnce(candidate);
  for (let round = 0; round < rounds; round += 1) {
    for (const [index, candidate] of candidates.entries()) durationsMs[index].push(runOnce(candidate));
  }
  const baselineMs = quantile(durationsMs[0], 0.5);
  return candidates.map(({ name, goal }, index) => {
    const medianMs = quantile(durationsMs[index], 0.5);
    return { name, medianMs, p90Ms: quantile(durationsMs[index], 0.9), ratio: medianMs / baselineMs, goal };
  });
}

export function quantile(values, fraction) {
  const sorted = [...values].sort((one, other) => one - other);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * fraction))];
}

export function renderComparison(title, rows) {
  const lines = rows.map(({ name, medianMs, p90Ms, ratio, goal }) => {
    const verdict = goal === undefined ? '' : `${ratio <= goal ? 'met' : 'MISSED'} (<= ${goal.toFixed(2)}x)`;
    const figures = [medianMs.toFixed(1), p90Ms.toFixed(1), `${ratio.toFixed(2)}x`].map((text) => text.padStart(10));
    return `${name.padEnd(28)}${figures.join('')}  ${verdict}`.trimEnd();
  });
  const head = `${title.padEnd(28)}${['median ms', 'p90 ms', 'ratio'].map((text) => text.padStart(10)).join('')}  goal`;
  return [head, ...lines].join('\n');
}

function runOnce({ name, argv, environment, folder }) {
  const began = process.hrtime.bigint();
  const [program, ...words] = argv;
  const { status, stderr } = spawnSync(program, words, {
    cwd: folder,
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
    encoding: 'utf8',
  });
  const durationMs = Number(process.hrtime.bigint() - began) / 1e6;
  if (status !== 0) throw new Error(`${name} ended with status ${status}:\n${stderr}`);
  return durationMs;
}
