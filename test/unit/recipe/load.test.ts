import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { MlxError } from '../../../src/errors.js';
import { loadRecipe, type RecipeFolders } from '../../../src/recipe/load.js';
import { scratchFolder } from '../engine/scratch.js';

const minimal = 'base_model:\n  repository: mlx/demo-base\ndataset:\n  train: data/train.jsonl\n';

function project(recipes: Record<string, string>): RecipeFolders {
  const folder = scratchFolder();
  mkdirSync(join(folder, 'recipes'));
  for (const [name, text] of Object.entries(recipes)) writeFileSync(join(folder, 'recipes', name), text);
  return { project: folder, recipes: join(folder, 'recipes') };
}

async function failure(place: RecipeFolders, reference?: string, overrides: string[] = []): Promise<MlxError> {
  const error: unknown = await loadRecipe(place, reference, overrides).catch((thrown: unknown) => thrown);
  if (error instanceof MlxError) return error;
  throw new Error('it was accepted');
}

describe('a recipe is found', () => {
  it('by its file name, its path from the project, its full path and its own name', async () => {
    const place = project({ 'tickets.yaml': `name: sorter\n${minimal}`, 'other.yml': minimal });
    const file = join(place.recipes, 'tickets.yaml');
    for (const reference of ['tickets', 'recipes/tickets.yaml', 'tickets.yaml', file, 'sorter']) {
      await expect(loadRecipe(place, reference, [])).resolves.toMatchObject({ name: 'sorter', file });
    }
    await expect(loadRecipe(place, 'other', [])).resolves.toMatchObject({ name: 'other', model: 'other' });
  });

  it('without a name when it is the only one; locks are none', async () => {
    const place = project({ 'tickets.yaml': minimal, 'tickets.lock.yaml': 'schema: 1\n' });
    await expect(loadRecipe(place, undefined, [])).resolves.toMatchObject({ name: 'tickets' });
  });

  it('never by guessing among several', async () => {
    const error = await failure(project({ 'a.yaml': minimal, 'b.yaml': minimal }));
    expect(error).toMatchObject({ code: 'AMBIGUOUS', message: 'This project has 2 recipes: a, b.', exitStatus: 2 });
  });

  it('or the nearest names are offered', async () => {
    const error = await failure(project({ 'tickets.yaml': minimal, 'summaries.yaml': minimal }), 'tikets');
    expect(error).toMatchObject({ code: 'RECIPE_NOT_FOUND', hint: 'The nearest: tickets, summaries', exitStatus: 2 });
  });

  it('or a project without any says how to make one', async () => {
    expect(await failure({ project: scratchFolder(), recipes: '/nowhere' })).toMatchObject({
      code: 'RECIPE_NOT_FOUND',
      hint: 'Make one: mlx init --template sft',
    });
  });
});

describe('a recipe is checked', () => {
  it('and every problem shown at once, with line, path and what belongs there', async () => {
    const text = [
      'naem: tickets',
      'base_model:',
      '  repository: Qwen',
      '  revison: main',
      'dataset:',
      '  held_out: 1.5',
      'method: lorra',
      'trainer:',
      '  learning_rate: fast',
      '  num_train_epochs: -1',
      'lora:',
      '  target_modules: []',
      '',
    ].join('\n');
    const error = await failure(project({ 'tickets.yaml': text }));
    expect(error).toMatchObject({ code: 'RECIPE_INVALID', message: 'recipes/tickets.yaml has 9 problems.' });
    expect(error.problems.map(({ line, path, message }) => `${line ?? '-'} ${path ?? ''}: ${message}`)).toEqual([
      '1 naem: unknown key; did you mean name?',
      "3 base_model.repository: the text 'Qwen' does not fit; allowed: ORG/NAME",
      '4 base_model.revison: unknown key; did you mean revision?',
      '5 dataset.train: is missing: it needs text or a list',
      '6 dataset.held_out: must be less than 1, not 1.5',
      "7 method: must be one of lora, qlora, dora, full, not the text 'lorra'; did you mean lora?",
      "9 trainer.learning_rate: must be a number, not the text 'fast'",
      '10 trainer.num_train_epochs: must be more than 0, not -1',
      '12 lora.target_modules: needs at least 1 item',
    ]);
  });

  it('for a name that a model can have', async () => {
    expect(await failure(project({ 'My Recipe.yaml': minimal }))).toMatchObject({ code: 'RECIPE_INVALID' });
  });
});

describe('--set', () => {
  const place = (): RecipeFolders => project({ 'tickets.yaml': `${minimal}trainer:\n  learning_rate: 0.1\n` });

  it('reads values as YAML does and goes over the file', async () => {
    const overrides = ['trainer.learning_rate=1e-4', 'lora.r=32', 'evaluation.limit=null', 'trainer.bf16=false'];
    await expect(loadRecipe(place(), undefined, overrides)).resolves.toMatchObject({
      trainer: { learning_rate: 0.0001, bf16: false },
      lora: { r: 32 },
      evaluation: { limit: null },
    });
  });

  it('takes lists and groups, and the last one counts', async () => {
    const overrides = ['lora.target_modules=[q_proj, v_proj]', 'base_model={path: ./base}', 'seed=1', 'seed=2'];
    await expect(loadRecipe(place(), undefined, overrides)).resolves.toMatchObject({
      lora: { target_modules: ['q_proj', 'v_proj'] },
      base_model: { path: './base' },
      seed: 2,
    });
  });

  it('is named by the errors that it causes', async () => {
    const overrides = ['trainer.learning_rte=1', 'seed=-1', '__proto__.polluted=yes'];
    const error = await failure(place(), undefined, overrides);
    expect(error.problems).toEqual(
      expect.arrayContaining([
        {
          file: '--set trainer.learning_rte=1',
          path: 'trainer.learning_rte',
          message: 'unknown key; did you mean learning_rate?',
        },
        { file: '--set seed=-1', path: 'seed', message: 'must be at least 0, not -1' },
      ]),
    );
    expect(error.problems).toHaveLength(3);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });

  it.each(['seed', '=1', 'trainer..lr=1', 'seed=[1'])('%s is a usage error', async (text) => {
    expect(await failure(place(), undefined, [text])).toMatchObject({ code: 'USAGE', exitStatus: 2 });
  });
});
