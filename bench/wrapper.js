// What mlx adds around training: `mlx train` against the trainer's script alone, with the same specification, rows, base
// model and environment of packages, in turn. Goal: at most 3 % of the time, or 1.5 s.
//
//   npm run build && node bench/wrapper.js [steps] [rounds]     60 steps, 3 rounds; needs Python; some minutes
//
// The first `mlx train` prepares packages and base model and is not counted. Then each round is one `mlx train` and one run of
// recipes/trainer/train.py on the files that mlx wrote for its own run.
import { join } from 'node:path';

import { quantile } from './measure.js';
import { root } from './mlx.js';
import { inScratch } from './scratch.js';
import { makeProject, workOf } from './training.js';

const steps = Number(process.argv[2] ?? 60);
const rounds = Number(process.argv[3] ?? 3);
const goal = { share: 0.03, ms: 1500 };
await inScratch(main);

async function main(folder) {
  const project = makeProject(folder);
  const train = () => project.train([`trainer.max_steps=${steps}`, 'evaluation.limit=32']);
  train();
  const alone = scriptAlone(await workOf(project, project.lastRun()));

  const wrapped = [];
  const bare = [];
  for (let round = 0; round < rounds; round += 1) {
    wrapped.push(timed(train));
    bare.push(timed(() => alone(join(folder, `out-${round}`))));
  }
  print(quantile(wrapped, 0.5), quantile(bare, 0.5));
}

/** The trainer as a person would start it by hand, offline, with the files of a run that is there. */
function scriptAlone({ files, base, python }) {
  const script = join(root, 'recipes', 'trainer', 'train.py');
  const words = [script, '--spec', join(files, 'spec.json'), '--model', base, '--data', join(files, 'data')];
  return (out) => python([...words, '--out', out]);
}

function timed(work) {
  const began = process.hrtime.bigint();
  work();
  return Number(process.hrtime.bigint() - began) / 1e6;
}

function print(wrappedMs, bareMs) {
  const addedMs = wrappedMs - bareMs;
  const met = addedMs <= goal.ms || addedMs <= goal.share * bareMs;
  const seconds = (ms) => `${(ms / 1000).toFixed(2)} s`.padStart(10);
  console.log(`training of ${steps} steps    median of ${rounds}`);
  console.log(`train.py alone      ${seconds(bareMs)}`);
  console.log(`mlx train           ${seconds(wrappedMs)}`);
  console.log(`added               ${seconds(addedMs)}  ${met ? 'met' : 'MISSED'} (<= 3 % or 1.5 s)`);
}
