// A project of the demo on the host engine, for benchmarks that train: the commands of mlx, and the files of its runs for others.
import { join } from 'node:path';

import { homePaths } from '../dist/paths.js';
import { ensureVenv } from '../dist/venvs.js';
import { runMlx, runToEnd } from './mlx.js';

const environment = { ...process.env, MLX_ENGINE: 'host', MLX_MLFLOW_ENABLED: 'false', CI: 'true' };
/** Offline and on the CPU, as mlx runs its jobs. */
const offline = {
  HF_HUB_OFFLINE: '1',
  TRANSFORMERS_OFFLINE: '1',
  PYTHONUNBUFFERED: '1',
  PYTHONDONTWRITEBYTECODE: '1',
  CUDA_VISIBLE_DEVICES: '',
  OMP_WAIT_POLICY: 'PASSIVE',
};

/** In `folder`, which is empty. */
export function makeProject(folder) {
  const project = join(folder, 'project');
  const mlx = (words) => runMlx(words, environment, folder);
  mlx(['init', project]);
  const train = (settings, flags = []) =>
    mlx(['train', 'tickets', ...flags, ...settings.flatMap((each) => ['--set', each]), '--project', project]);
  const lastRun = () => JSON.parse(mlx(['runs', 'show', 'latest', '--json', '--project', project]));
  return { project, train, lastRun };
}

/** What another trainer needs to do the work of a run again: its files, its base model, and a start of its Python. */
export async function workOf({ project }, shown) {
  const home = homePaths(environment);
  const venv = await ensureVenv('trainer', home, environment, () => undefined, new AbortController().signal);
  return {
    files: join(project, '.mlx', 'runs', shown.run),
    base: join(home.models, ...shown.base_model.split('/'), shown.base_commit),
    python: (words) => runToEnd(venv.python, words, { ...environment, ...offline }, project),
  };
}
