// Two real runs of a base model of a few thousand parameters, packaged as tickets:1 and tickets:2; nothing is served yet.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

import { expect } from 'vitest';

import { loadConfig } from '../../src/config/load.js';
import { projectPaths } from '../../src/config/paths.js';
import type { Engine } from '../../src/engine/engine.js';
import { openHostEngine } from '../../src/engine/host/engine.js';
import { freePort } from '../../src/engine/port.js';
import { mlx } from '../command/mlx.js';
import { keptProject, type Project } from './project.js';

const words = ['invoice', 'refund', 'login', 'router', 'parcel', 'password', 'screen', 'order'];
const rows = words.flatMap((word, index) =>
  words.map((other) => ({
    messages: [
      { role: 'user', content: `${word} ${other}?` },
      { role: 'assistant', content: index % 2 === 0 ? 'billing' : 'support' },
    ],
  })),
);
const recipe = `model: tickets
base_model: { path: tiny/base }
dataset: { train: data/rows.jsonl, held_out: 0.2 }
lora: { r: 4, lora_alpha: 8 }
trainer: { max_steps: 2, per_device_train_batch_size: 4, max_length: 64, logging_steps: 1 }
evaluation: { limit: 2, max_new_tokens: 4, examples: 0 }
serving: { max_model_len: 256 }
`;

export type PromotionProject = Project & { port: number; remove: () => void; openEngine: () => Promise<Engine> };

/** `serving` is a line of mlx.yaml. */
export async function promotionProject(serving = ''): Promise<PromotionProject> {
  const port = await freePort();
  const settings = `engine: host\ngateway: { port: ${port} }\nmlflow: { enabled: false }\n${serving}\n`;
  const data = rows.map((row) => `${JSON.stringify(row)}\n`).join('');
  const files = { 'mlx.yaml': settings, 'recipes/tickets.yaml': recipe, 'data/rows.jsonl': data };
  const project = keptProject(files);
  const openEngine = () => openEngineOf(project);
  await makeTinyBase(project, await openEngine());
  const { folder, environment } = project;
  for (const seed of ['1', '2']) {
    const trained = await mlx(['train', '--set', `seed=${seed}`], { folder, environment });
    expect(trained.status, trained.stderr).toBe(0);
    expect((await mlx(['package'], { folder, environment })).status).toBe(0);
  }
  return { ...project, port, openEngine };
}

async function openEngineOf({ folder, environment }: Project): Promise<Engine> {
  const paths = projectPaths(folder, environment);
  return openHostEngine({ paths, config: await loadConfig(paths, environment), environment });
}

async function makeTinyBase(project: Project, engine: Engine): Promise<void> {
  const out = join(project.folder, 'tiny');
  mkdirSync(out);
  const exit = await engine.runJob(
    {
      id: 'tiny',
      runtime: 'trainer',
      argv: [join(import.meta.dirname, 'tiny_version.py'), '{out}'],
      mounts: [{ name: 'out', source: out, writable: true }],
      environment: {},
      network: 'none',
      gpu: false,
    },
    { onStdout: () => undefined, onStderr: () => undefined, signal: new AbortController().signal },
  );
  expect(exit.status).toBe(0);
}
