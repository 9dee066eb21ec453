// Trains the same recipe five times in fresh processes: with mlx, deterministic and fast; and with plain TRL, which is given `seed`.
//
//   npm run build && node bench/replay.js [steps] [rounds]     40 steps, 5 rounds; needs Python; some minutes
//
// Goals: five equal adapters with mlx, and deterministic training at most 1.05 times the time of `determinism: fast`. Time is that
// of training alone, as the trainer tells it. TRL 1.13 drew the LoRA matrices before it seeded, so that none of its adapters
// were equal; since then it seeds first (trl/trainer/sft_trainer.py of 1.16), and what it gives is shown without a goal.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { quantile } from './measure.js';
import { root } from './mlx.js';
import { inScratch } from './scratch.js';
import { makeProject, workOf } from './training.js';

const steps = Number(process.argv[2] ?? 40);
const rounds = Number(process.argv[3] ?? 5);
const slowest = 1.05;
await inScratch(main);

async function main(folder) {
  const project = makeProject(folder);
  // Prepares packages and base model; not counted.
  const first = train(project, 'bit-exact');
  const plain = plainTrl(await workOf(project, first.run));
  const found = { deterministic: [], fast: [], plain: [] };
  for (let round = 0; round < rounds; round += 1) {
    found.deterministic.push(train(project, 'bit-exact'));
    found.fast.push(train(project, 'fast'));
    found.plain.push(plain(join(folder, `plain-${round}`)));
  }
  print(found);
}

function train(project, determinism) {
  const settings = [
    `trainer.max_steps=${steps}`,
    'evaluation.limit=8',
    'evaluation.examples=0',
    `determinism=${determinism}`,
  ];
  project.train(settings, ['--no-lock']);
  const run = project.lastRun();
  return { hash: run.adapter_sha256, durationMs: run.train_duration_ms, run };
}

/** The rows, base model and settings of a run of mlx, through TRL as its documentation has it. */
function plainTrl({ files, base, python }) {
  const script = join(root, 'bench', 'replay', 'plain_trl.py');
  return (out) => {
    python([script, join(files, 'spec.json'), base, join(files, 'data', 'train.jsonl'), out]);
    const weights = readFileSync(join(out, 'adapter_model.safetensors'));
    return { hash: createHash('sha256').update(weights).digest('hex') };
  };
}

function print({ deterministic, fast, plain }) {
  const [exact, quick] = [deterministic, fast].map((all) =>
    quantile(
      all.map(({ durationMs }) => durationMs),
      0.5,
    ),
  );
  const ratio = exact / quick;
  const [ours, theirs] = [kinds(deterministic), kinds(plain)];
  console.log(`replays of ${steps} steps on the CPU, ${rounds} fresh processes each`);
  console.log(`mlx                   ${ours} different adapter of ${rounds}  ${ours === 1 ? 'met' : 'MISSED'} (1)`);
  console.log(
    `plain TRL, seed=42    ${theirs} different adapters of ${rounds}  (${theirs === rounds ? 'no two are equal' : 'some are equal'})`,
  );
  console.log(
    `deterministic / fast  ${exact} ms / ${quick} ms = ${ratio.toFixed(3)}x  ${ratio <= slowest ? 'met' : 'MISSED'} (<= ${slowest}x)`,
  );
}

function kinds(results) {
  return new Set(results.map(({ hash }) => hash)).size;
}
