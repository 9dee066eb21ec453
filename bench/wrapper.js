// What mlx adds around training: `mlx train` against the trainer's script alone, with the same specification, rows, base
// model and environment of packages, in turn. Goal: at most 3 % of the time, or 1.5 s.
//
//   npm run build && node bench/wrapper.js [steps] [rounds]     60 steps, 3 rounds; needs Python; some minutes
//
// The first `mlx train` prepares packages and base model and is not counted. Then each round is one `mlx train` and one run of
// recipes/trainer/train.py on the files that mlx wrote for its own run.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { quantile } from './measure.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const steps = Number(process.argv[2] ?? 60);
const rounds = Number(process.argv[3] ?? 3);
const goal = { share: 0.03, ms: 1500 };
const folder = mkdtempSync(join(tmpdir(), 'mlx-bench-'));
try {
  await main();
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function main() {
  const project = join(folder, 'project');
  const environment = { ...process.env, MLX_ENGINE: 'host', MLX_MLFLOW_ENABLED: 'false', CI: 'true' };
  const { homePaths } = await import('../dist/paths.js');
  const home = homePaths(environment);
  mlx(['init', project], folder, environment);
  train(project, environment);
  const run = JSON.parse(mlx(['runs', 'show', 'latest', '--json'], project, environment));
  const alone = await scriptAlone(project, run, home, environment);

  const wrapped = [];
  const bare = [];
  for (let round = 0; round < rounds; round += 1) {
    wrapped.push(timed(() => train(project, environment)));
    bare.push(timed(() => alone(join(folder, `out-${round}`))));
  }
  print(quantile(wrapped, 0.5), quantile(bare, 0.5));
}

function train(project, environment) {
  const settings = [`trainer.max_steps=${steps}`, 'evaluation.limit=32'];
  mlx(['train', 'tickets', ...settings.flatMap((setting) => ['--set', setting])], project, environment);
}

/** The trainer as a person would start it by hand, offline, with the files of a run that is there. */
async function scriptAlone(project, run, home, environment) {
  const { ensureVenv } = await import('../dist/venvs.js');
  const venv = await ensureVenv('trainer', home, environment, () => undefined, new AbortController().signal);
  const files = join(project, '.mlx', 'runs', run.run);
  const base = join(home.models, ...run.base_model.split('/'), run.base_commit);
  const script = join(root, 'recipes', 'trainer', 'train.py');
  const offline = {
    HF_HUB_OFFLINE: '1',
    TRANSFORMERS_OFFLINE: '1',
    PYTHONUNBUFFERED: '1',
    PYTHONDONTWRITEBYTECODE: '1',
  };
  return (out) => {
    const words = [
      script,
      '--spec',
      join(files, 'spec.json'),
      '--model',
      base,
      '--data',
      join(files, 'data'),
      '--out',
      out,
    ];
    const options = {
      env: { ...environment, ...offline, CUDA_VISIBLE_DEVICES: '' },
      encoding: 'utf8',
      maxBuffer: 2 ** 28,
    };
    const { status, stderr } = spawnSync(venv.python, words, options);
    if (status !== 0) throw new Error(`train.py ended with status ${status}:\n${stderr.slice(-2000)}`);
  };
}

function mlx(words, cwd, environment) {
  const argv = [join(root, 'bin', 'mlx.js'), ...words];
  const { status, stdout, stderr } = spawnSync(process.execPath, argv, { cwd, env: environment, encoding: 'utf8' });
  if (status !== 0) throw new Error(`mlx ${words.join(' ')} ended with status ${status}:\n${stderr}`);
  return stdout;
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
