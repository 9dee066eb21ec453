// Trains the same recipe five times in fresh processes: with mlx, deterministic and fast; and with plain TRL, which is given `seed`.
//
//   npm run build && node bench/replay.js [steps] [rounds]     40 steps, 5 rounds; needs Python; some minutes
//
// Goals: five equal adapters with mlx, none equal to another with plain TRL (it draws the LoRA matrices before it seeds), and
// deterministic training at most 1.05 times the time of `determinism: fast`. Time is that of training alone, as the trainer tells it.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { homePaths } from '../dist/paths.js';
import { ensureVenv } from '../dist/venvs.js';
import { quantile } from './measure.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const steps = Number(process.argv[2] ?? 40);
const rounds = Number(process.argv[3] ?? 5);
const slowest = 1.05;
const folder = mkdtempSync(join(tmpdir(), 'mlx-bench-'));
try {
  await main();
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function main() {
  const project = join(folder, 'project');
  const environment = { ...process.env, MLX_ENGINE: 'host', MLX_MLFLOW_ENABLED: 'false', CI: 'true' };
  mlx(['init', project], folder, environment);
  // Prepares packages and base model; not counted.
  const first = train(project, environment, 'bit-exact');
  const plain = await plainTrl(project, first, environment);
  const found = { deterministic: [], fast: [], plain: [] };
  for (let round = 0; round < rounds; round += 1) {
    found.deterministic.push(train(project, environment, 'bit-exact'));
    found.fast.push(train(project, environment, 'fast'));
    found.plain.push(plain(join(folder, `plain-${round}`)));
  }
  print(found);
}

function train(project, environment, determinism) {
  const settings = [
    `trainer.max_steps=${steps}`,
    'evaluation.limit=8',
    'evaluation.examples=0',
    `determinism=${determinism}`,
  ];
  const flags = settings.flatMap((setting) => ['--set', setting]);
  mlx(['train', 'tickets', '--no-lock', ...flags], project, environment);
  const run = JSON.parse(mlx(['runs', 'show', 'latest', '--json'], project, environment));
  return { hash: run.adapter_sha256, durationMs: run.train_duration_ms, run };
}

/** The rows, base model and settings of a run of mlx, through TRL as its documentation has it. */
async function plainTrl(project, { run }, environment) {
  const home = homePaths(environment);
  const venv = await ensureVenv('trainer', home, environment, () => undefined, new AbortController().signal);
  const files = join(project, '.mlx', 'runs', run.run);
  const base = join(home.models, ...run.base_model.split('/'), run.base_commit);
  const script = join(root, 'bench', 'replay', 'plain_trl.py');
  return (out) => {
    const argv = [script, join(files, 'spec.json'), base, join(files, 'data', 'train.jsonl'), out];
    const options = {
      env: { ...environment, HF_HUB_OFFLINE: '1', CUDA_VISIBLE_DEVICES: '', OMP_WAIT_POLICY: 'PASSIVE' },
      encoding: 'utf8',
    };
    const { status, stderr } = spawnSync(venv.python, argv, options);
    if (status !== 0) throw new Error(`plain_trl.py ended with status ${status}:\n${stderr.slice(-2000)}`);
    const weights = readFileSync(join(out, 'adapter_model.safetensors'));
    return { hash: createHash('sha256').update(weights).digest('hex') };
  };
}

function mlx(words, cwd, environment) {
  const argv = [join(root, 'bin', 'mlx.js'), ...words];
  const { status, stdout, stderr } = spawnSync(process.execPath, argv, { cwd, env: environment, encoding: 'utf8' });
  if (status !== 0) throw new Error(`mlx ${words.join(' ')} ended with status ${status}:\n${stderr}`);
  return stdout;
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
