// The files of one run, under .mlx/runs/ID. Everything but `out` is written by mlx; `out` by the trainer alone.
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

export type RunFolder = {
  folder: string;
  /** What the trainer is told (docs/trainer-contract.md). */
  spec: string;
  /** The recipe with its defaults and overrides: what packaging and --resume read, whatever the YAML says today. */
  recipe: string;
  /** What the recipe resolved to, before any compute (resolution.ts). */
  resolution: string;
  /** Hashes and places of the rows. */
  rows: string;
  /** What was changed in the project since its commit; absent when nothing was. */
  patch: string;
  /** The lock of this very run, once it is finished. */
  lock: string;
  data: string;
  out: string;
  adapter: string;
  /** The whole model, with method `full`. */
  model: string;
  checkpoints: string;
  /** Every event of the trainer, as it came. */
  events: string;
  /** The trainer's free text, with a line for each event that people care about. */
  log: string;
  examples: string;
  /** What mlx itself said, when it ran detached. */
  ownLog: string;
};

export function runFolder(runs: string, id: string): RunFolder {
  const folder = join(runs, id);
  const out = join(folder, 'out');
  return {
    folder,
    spec: join(folder, 'spec.json'),
    recipe: join(folder, 'recipe.json'),
    resolution: join(folder, 'resolution.json'),
    rows: join(folder, 'run.lock.rows'),
    patch: join(folder, 'code.patch'),
    lock: join(folder, 'run.lock.yaml'),
    data: join(folder, 'data'),
    out,
    adapter: join(out, 'adapter'),
    model: join(out, 'model'),
    checkpoints: join(out, 'checkpoints'),
    events: join(folder, 'events.jsonl'),
    log: join(folder, 'trainer.log'),
    examples: join(folder, 'examples.json'),
    ownLog: join(folder, 'mlx.log'),
  };
}

export function hasCheckpoint({ checkpoints }: Pick<RunFolder, 'checkpoints'>): boolean {
  return existsSync(checkpoints) && readdirSync(checkpoints).length > 0;
}
