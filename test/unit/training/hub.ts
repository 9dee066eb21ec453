// A home for base models, an engine whose job is fetch.py, and a hub that it fetches from.
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { homePaths } from '../../../src/config/paths.js';
import type { Recipe } from '../../../src/recipe/schema.js';
import { ensureBaseModel, pullBaseModel } from '../../../src/training/base-model.js';
import { scratchFolder } from '../engine/scratch.js';
import { tinyWeights } from './examples.js';
import { fakeEngine, type FakeEngine, type Trainer } from './fake-engine.js';

export const repository = 'Acme/Tiny';
export const firstCommit = 'a'.repeat(40);
export const secondCommit = 'b'.repeat(40);

export type Hub = { commit: string; files: Record<string, string | Buffer> };

export function newHub(): Hub {
  return { commit: firstCommit, files: { 'config.json': '{"a": 1}', 'model.safetensors': tinyWeights('one') } };
}

/** fetch.py in front of a hub: keeps what is already there, says what it does. */
export function fetcher(hub: Hub): Trainer {
  return ({ job, folder, say }) => {
    const revision = job.argv[job.argv.indexOf('--revision') + 1] ?? '';
    if (!['main', hub.commit].includes(revision)) {
      say({ event: 'error', code: 'NOT_FOUND', message: `there is no revision ${revision}` });
      return { status: 1 };
    }
    say({ event: 'resolved', commit: hub.commit });
    const out = folder('out');
    mkdirSync(join(out, '.cache', 'huggingface'), { recursive: true });
    writeFileSync(join(out, '.cache', 'huggingface', 'lock'), '');
    const files = Object.entries(hub.files).map(([path, contents]) => {
      const bytes = Buffer.from(contents);
      writeFileSync(join(out, path), bytes);
      say({ event: 'progress', file: path, done_bytes: bytes.length, total_bytes: bytes.length });
      return { path, size: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') };
    });
    say({ event: 'result', commit: hub.commit, files });
    return {};
  };
}

export type Place = {
  engine: FakeEngine;
  models: string;
  said: string[];
  environment: NodeJS.ProcessEnv;
  signal: AbortSignal;
  ensure: (baseModel?: Recipe['base_model']) => ReturnType<typeof ensureBaseModel>;
  pull: (baseModel?: Recipe['base_model'], verify?: boolean) => ReturnType<typeof pullBaseModel>;
  home: ReturnType<typeof homePaths>;
  project: string;
};

export function place(trainer: Trainer, signal = new AbortController().signal): Place {
  const folder = scratchFolder();
  const home = homePaths({ MLX_HOME: join(folder, 'home') });
  const engine = fakeEngine(trainer);
  const said: string[] = [];
  const environment: NodeJS.ProcessEnv = { HOME: folder };
  const wanted = { repository, revision: 'main' };
  const onProgress = (line: string): void => void said.push(line);
  const edges = { engine: () => Promise.resolve(engine), home, projectFolder: folder, environment, onProgress, signal };
  return {
    engine,
    models: home.models,
    said,
    environment,
    signal,
    home,
    project: folder,
    ensure: (baseModel = wanted) => ensureBaseModel(engine, home, folder, baseModel, environment, onProgress, signal),
    pull: (baseModel = wanted, verify = false) => pullBaseModel(edges, baseModel, { verify }),
  };
}

export const partials = (models: string): string[] =>
  readdirSync(models, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.partial'));
