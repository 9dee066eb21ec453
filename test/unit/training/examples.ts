// A recipe, a run and a folder as the tests of this room need them.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

import { insertRun, type NewRun } from '../../../src/ledger/runs.js';
import { openLedger, type Ledger } from '../../../src/ledger/open.js';
import { recipeSchema, type Recipe } from '../../../src/recipe/schema.js';
import { runFolder, type RunFolder } from '../../../src/training/run-folder.js';
import { scratchFolder } from '../engine/scratch.js';

export const startedAtMs = Date.parse('2026-11-20T10:00:00Z');

export function exampleRecipe(changes: Record<string, unknown> = {}): Recipe {
  const parsed = recipeSchema.parse({
    base_model: { repository: 'mlx/demo-base' },
    dataset: { train: 'data/train.jsonl', held_out: 'data/held-out.jsonl' },
    ...changes,
  });
  return { ...parsed, name: 'tickets', model: 'tickets', file: '/project/recipes/tickets.yaml' };
}

export function scratchLedger(): { ledger: Ledger; runs: string } {
  const folder = scratchFolder();
  return { ledger: openLedger(join(folder, 'ledger.db')), runs: join(folder, 'runs') };
}

export function newRun(id: string, owner: string | null = null, changes: Partial<NewRun> = {}): NewRun {
  return {
    id,
    recipe: 'tickets',
    recipeFile: 'recipes/tickets.yaml',
    method: 'lora',
    baseModel: 'mlx/demo-base',
    baseCommit: 'c0ffee',
    seed: 42,
    engine: 'host',
    owner,
    startedAtMs,
    ...changes,
  };
}

/** A running run with its folder. */
export function startedRun(id = 'tickets-000001'): { ledger: Ledger; id: string; folder: RunFolder } {
  const { ledger, runs } = scratchLedger();
  insertRun(ledger, newRun(id));
  const folder = runFolder(runs, id);
  mkdirSync(folder.out, { recursive: true });
  return { ledger, id, folder };
}

/** No process has had this pid at that time. */
export const deadOwner = '4194303:1:00000000';

/** The smallest whole safetensors file: a header with one note, and no tensor. */
export function tinyWeights(note: string): Buffer {
  const header = Buffer.from(JSON.stringify({ __metadata__: { note } }));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  return Buffer.concat([length, header]);
}
