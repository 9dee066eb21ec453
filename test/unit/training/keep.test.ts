// What a finished run leaves for a replay: its lock, and its rows and weights by their hashes.
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { parseRows } from '../../../src/dataset/row-hashes.js';
import { parseLock } from '../../../src/recipe/lock.js';
import { findContent } from '../../../src/store/content.js';
import { train } from '../../../src/training/train.js';
import { fakeEngine, goodTrainer } from './fake-engine.js';
import { edgesOf, project, tickets } from './tickets-project.js';

const lockOf = (folder: string) =>
  parseLock(readFileSync(join(folder, 'recipes', 'tickets.lock.yaml'), 'utf8'), 'tickets.lock.yaml');

describe('a finished run', () => {
  it('leaves a lock beside its recipe with what it resolved to and what came out', async () => {
    const place = project();
    const { edges, notes } = edgesOf(place, fakeEngine());
    const run = await train(edges, { ...tickets, overrides: ['lora.r=4', 'trainer.max_steps=2'] });
    const lock = lockOf(place.folder);
    expect(lock).toMatchObject({
      recipe: {
        name: 'tickets',
        file: 'recipes/tickets.yaml',
        overrides: ['lora.r=4', 'trainer.max_steps=2'],
        settings: { 'lora.r': '4', 'lora.lora_alpha': '32', 'dataset.train': 'data/train.jsonl' },
        origins: { 'lora.r': 'flag', 'lora.lora_alpha': 'default', 'dataset.train': 'recipe' },
      },
      base_model: { repository: 'base', files: { 'model.safetensors': expect.stringMatching(/^[0-9a-f]{64}$/) } },
      dataset: { train: { rows: 3 }, held_out: { rows: 1 } },
      runtime: { reference: 'trainer.txt@1', packages: { trl: expect.stringMatching(/^1\.8\.0/) } },
      machine: { device: 'cpu', threads: expect.any(Number) },
      determinism: { class: 'bit-exact', environment: { PYTHONHASHSEED: '0' }, seeds: { seed: 42 } },
      results: {
        run: run.id,
        adapter_sha256: run.adapterSha256,
        steps: 2,
        tokens: 64,
        loss_curve: [
          [1, 2.5],
          [2, 1.5],
        ],
        scores: { 'held_out/tuned/exact_match': 0.8 },
      },
    });
    expect(Object.keys(lock.runtime.scripts)).toContain('train.py');
    const rows = parseRows(readFileSync(join(place.folder, 'recipes', 'tickets.lock.rows'), 'utf8'));
    expect(rows['train']?.map(({ file, line }) => [file, line])).toEqual([
      ['data/train.jsonl', 1],
      ['data/train.jsonl', 2],
      ['data/train.jsonl', 3],
    ]);
    expect(notes).toEqual([expect.stringContaining('Locked in recipes/tickets.lock.yaml')]);
  });

  it('names no place of this machine in its lock', async () => {
    const place = project();
    await train(edgesOf(place, fakeEngine()).edges, tickets);
    expect(readFileSync(join(place.folder, 'recipes', 'tickets.lock.yaml'), 'utf8')).not.toContain(place.folder);
  });

  it('leaves its rows and weights in the store, once for equal ones', async () => {
    const place = project();
    const { edges } = edgesOf(place, fakeEngine());
    await train(edges, tickets);
    const before = readdirSync(place.paths.store, { recursive: true });
    const lock = lockOf(place.folder);
    for (const sha256 of [lock.dataset.train.file_sha256, lock.results.adapter_sha256]) {
      expect(await findContent(place.paths.store, sha256)).toBeDefined();
    }
    await train(edges, tickets);
    expect(readdirSync(place.paths.store, { recursive: true })).toEqual(before);
  });

  it('with --no-lock leaves the lock of before as it is, and still has its own', async () => {
    const place = project();
    const { edges } = edgesOf(place, fakeEngine());
    const first = await train(edges, tickets);
    const second = await train(edges, { ...tickets, lock: false });
    expect(lockOf(place.folder).results.run).toBe(first.id);
    expect(existsSync(join(place.paths.runs, second.id, 'run.lock.yaml'))).toBe(true);
  });

  it('whose lock cannot be written is finished all the same, and says so', async () => {
    const place = project();
    mkdirSync(join(place.folder, 'recipes', 'tickets.lock.yaml', 'in-the-way'), { recursive: true });
    const { edges, notes } = edgesOf(place, fakeEngine());
    expect(await train(edges, tickets)).toMatchObject({ state: 'finished' });
    expect(notes).toEqual([expect.stringContaining('could not be written')]);
  });
});

it('a run that failed leaves no lock', async () => {
  const place = project();
  await train(
    edgesOf(
      place,
      fakeEngine(() => ({ status: 1 })),
    ).edges,
    tickets,
  );
  expect(readdirSync(join(place.folder, 'recipes'))).toEqual(['tickets.yaml']);
});

it.each([
  ['under the same conditions keeps its promise', {}, 'bit-exact'],
  ['with other packages promises nothing, and says which', { installed: { numpy: '2.4.5' } }, 'none'],
])('a run that goes on after a stop %s', async (_what, changes, promised) => {
  const place = project();
  const engine = fakeEngine(({ say }) => {
    say({ event: 'stopped', step: 1 });
    return { status: 130 };
  });
  const { edges, notes } = edgesOf(place, engine);
  const { id } = await train(edges, tickets);
  engine.trainer = goodTrainer;
  engine.runtime = { ...engine.runtime, ...changes };
  expect(await train(edges, { ...tickets, resume: id })).toMatchObject({ state: 'finished' });
  expect(lockOf(place.folder).determinism.class).toBe(promised);
  expect(notes.some((note) => note.includes('runtime.packages.numpy'))).toBe(promised === 'none');
});
