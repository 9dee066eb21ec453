// The smoke recipe that every new project has, trained and replayed for real; then each thing that may change under it.
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

import { beforeAll, describe, expect, it } from 'vitest';

import { mlx, mlxJson } from '../command/mlx.js';
import { keptProject, type Project } from './project.js';
import { standInHub } from './stand-in-hub.js';
import { makeTinyModel, ticketsProject } from './tickets-project.js';

type Replays = { replays: { verdict: string; run: string; fields: { field: string; status: string }[] }[] };

const recipe = 'recipes/ci/smoke.yaml';
let project: Project;
let place: { folder: string; environment: NodeJS.ProcessEnv };

async function replay(argv: string[] = [], environment: NodeJS.ProcessEnv = {}) {
  const { value, status } = await mlxJson(['replay', recipe, ...argv], {
    folder: place.folder,
    environment: { ...place.environment, ...environment },
  });
  const [report] = (value as Replays).replays;
  if (report === undefined) throw new Error(JSON.stringify(value));
  return { ...report, status };
}

describe('the smoke recipe of a new project', () => {
  beforeAll(async () => {
    const kept = keptProject({});
    project = kept;
    place = { folder: kept.folder, environment: kept.environment };
    await mlx(['init'], place);
    writeFileSync(join(kept.folder, 'mlx.yaml'), 'engine: host\nmlflow: { enabled: false }\n');
    const trained = await mlx(['train', recipe], place);
    if (trained.status !== 0) throw new Error(trained.stderr);
    return kept.remove;
  });

  it('has no drift, and gives the same bytes when it is replayed', async () => {
    expect(existsSync(join(project.folder, 'recipes/ci/smoke.lock.yaml'))).toBe(true);
    expect(await replay(['--check'])).toMatchObject({ verdict: 'no_drift', status: 0 });
    expect(await replay()).toMatchObject({ verdict: 'identical', status: 0 });
  });

  it('gives the same bytes on one thread and on two', async () => {
    for (const threads of ['1', '2']) {
      const environment = { OMP_NUM_THREADS: threads };
      expect(await replay([], environment)).toMatchObject({ verdict: 'drift', status: 6 });
      expect(await replay(['--allow', 'determinism.environment'], environment)).toMatchObject({ verdict: 'identical' });
    }
  });

  it('gives other bytes with another seed, which is named before and measured afterwards', async () => {
    const file = join(project.folder, recipe);
    const before = readFileSync(file, 'utf8');
    writeFileSync(file, `${before}seed: 43\n`);
    const refused = await replay();
    expect(refused).toMatchObject({ verdict: 'drift', run: null, status: 6 });
    const drifted = refused.fields.filter(({ status }) => status === 'drift').map(({ field }) => field);
    expect(drifted).toEqual(['recipe.settings.seed', 'determinism.seeds.seed']);
    const other = await replay(['--allow', 'recipe.settings.seed,determinism.seeds', '--tolerance', '0']);
    expect(other).toMatchObject({ verdict: 'different', status: 6, comparison: { adapter: { equal: false } } });
    writeFileSync(file, before);
  });

  it('names a changed row by its line, and still gives the same bytes from the rows that are kept', async () => {
    const file = join(project.folder, 'data/tickets.jsonl');
    copyFileSync(file, `${file}.before`);
    const lines = readFileSync(file, 'utf8').split('\n');
    lines[16] = lines[3] ?? '';
    writeFileSync(file, lines.join('\n'));
    const rows = [{ split: 'train', change: 'changed', file: 'data/tickets.jsonl', line: 17 }];
    expect(await replay(['--check'])).toMatchObject({ verdict: 'drift', rows, status: 6 });
    expect(await replay()).toMatchObject({ verdict: 'identical', rows, status: 0 });
    rmSync(file);
    expect(await replay()).toMatchObject({ verdict: 'identical', status: 0 });
  });
});

it('fetches a base model that is gone, at the commit of the lock, and refuses one whose bytes changed', async () => {
  const project = ticketsProject(`base_model: { repository: Acme/Tiny }
dataset: { train: data/tickets.jsonl, held_out: data/tickets-held-out.jsonl }
trainer: { max_steps: 2, per_device_train_batch_size: 4, max_length: 256, logging_steps: 1 }
evaluation: { limit: 2, max_new_tokens: 4, examples: 0 }
`);
  // The environments of all tests; models of its own.
  const home = join(project.folder, 'home');
  mkdirSync(home);
  symlinkSync(join(project.environment['MLX_HOME'] ?? '', 'venvs'), join(home, 'venvs'));
  const made = join(project.folder, 'made');
  await makeTinyModel(project.environment, made);
  const hub = await standInHub(
    Object.fromEntries(readdirSync(made).map((name) => [name, readFileSync(join(made, name))])),
  );
  const environment = { ...project.environment, MLX_HOME: home, HF_ENDPOINT: hub.endpoint, NO_PROXY: '127.0.0.1' };
  const at = { folder: project.folder, environment };
  const trained = await mlx(['train', 'tickets'], at);
  expect(trained.status, trained.stderr).toBe(0);

  rmSync(join(home, 'models'), { recursive: true });
  const asked = hub.seen.length;
  const replayed = await mlxJson(['replay', 'tickets'], at);
  expect(replayed.value, replayed.stderr).toMatchObject({ replays: [{ verdict: 'identical' }] });
  expect(replayed.stdout).toContain('fetched at the commit of the lock');
  expect(hub.seen.slice(asked).map(({ path }) => path)).toContain(`/Acme/Tiny/resolve/${hub.commit}/model.safetensors`);

  const weights = join(home, 'models', 'Acme', 'Tiny', hub.commit, 'model.safetensors');
  const bytes = readFileSync(weights);
  bytes.writeUInt8(bytes.readUInt8(bytes.length - 1) ^ 1, bytes.length - 1);
  rmSync(weights);
  writeFileSync(weights, bytes);
  const changed = await mlxJson(['replay', 'tickets'], at);
  expect(changed.status).not.toBe(0);
  expect(changed.stdout).toContain('model.safetensors');
  expect((await mlxJson(['runs', 'ls'], at)).value).toMatchObject({ runs: { length: 2 } });
});
