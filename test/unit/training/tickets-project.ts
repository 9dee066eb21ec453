// A project with rows, a recipe and a base model that is safe to load, and the edges of a training in it.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { projectPaths } from '../../../src/config/paths.js';
import type { EngineKind } from '../../../src/engine/engine.js';
import { openLedger } from '../../../src/ledger/open.js';
import type { TrainEdges, TrainRequest } from '../../../src/training/train.js';
import { scratchFolder } from '../engine/scratch.js';
import { tinyWeights } from './examples.js';
import type { FakeEngine } from './fake-engine.js';

const recipeYaml = `base_model: { path: base }
dataset: { train: data/train.jsonl, held_out: data/held-out.jsonl }
`;

export function project() {
  const folder = scratchFolder();
  const file = (path: string, content: string | Buffer): void => {
    mkdirSync(join(folder, path, '..'), { recursive: true });
    writeFileSync(join(folder, path), content);
  };
  const row = (question: string): string => `${JSON.stringify({ prompt: question, completion: '{"a":1}' })}\n`;
  file('mlx.yaml', '');
  file('recipes/tickets.yaml', recipeYaml);
  file('data/train.jsonl', row('one') + row('two') + row('three'));
  file('data/held-out.jsonl', row('four'));
  file('base/config.json', '{}');
  file('base/model.safetensors', tinyWeights('base'));
  const paths = projectPaths(folder, { HOME: folder });
  return { folder, file, paths, ledger: openLedger(paths.ledgerFile) };
}

export function edgesOf(
  { paths, ledger }: ReturnType<typeof project>,
  engine: FakeEngine,
  signal = new AbortController().signal,
) {
  const notes: string[] = [];
  const kinds: (EngineKind | undefined)[] = [];
  const edges: TrainEdges = {
    paths,
    ledger,
    config: { gpu: 'off', mlflow: { enabled: false, port: 1, trackingUri: undefined, experiment: 'mlx' } },
    environment: {},
    engine: (kind) => {
      kinds.push(kind);
      return Promise.resolve(engine);
    },
    now: () => new Date(),
    signal,
    onProgress: () => undefined,
    onBegin: () => undefined,
    onEvent: () => undefined,
    note: (line) => notes.push(line),
  };
  return { edges, notes, kinds };
}

export const tickets: TrainRequest = { recipe: 'tickets', overrides: [] };
