import { cpSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { packageRoot } from '../../../../src/config/paths.js';
import { contextFiles, imageRecipe } from '../../../../src/engine/docker/image-recipes.js';
import { scratchFolder } from '../scratch.js';

const variant = { baseImage: 'python:3.11-slim-bookworm', gpu: false };

function copyOfTheRepository(): string {
  const copy = scratchFolder();
  for (const folder of ['compose', 'recipes'])
    cpSync(join(packageRoot(), folder), join(copy, folder), { recursive: true });
  return copy;
}

function references(root: string, changed = variant): Record<string, string> {
  const names = ['packages', 'trainer', 'server', 'mlflow'] as const;
  return Object.fromEntries(names.map((name) => [name, imageRecipe(root, name, changed).reference]));
}

describe('the name of a runtime image', () => {
  it('is the same for the same inputs, wherever they lie', () => {
    expect(references(copyOfTheRepository())).toEqual(references(packageRoot()));
    expect(references(packageRoot())['trainer']).toMatch(/^mlx\/runtime-trainer:[0-9a-f]{12}$/);
  });

  it('changes with a script of the trainer, for the trainer alone', () => {
    const root = copyOfTheRepository();
    const before = references(root);
    writeFileSync(join(root, 'recipes/trainer/train.py'), 'print("other")');
    expect(references(root)).toEqual({ ...before, trainer: expect.not.stringMatching(before['trainer'] ?? '') });
  });

  it('changes with the lock of the shared packages, for all that start from them', () => {
    const root = copyOfTheRepository();
    const before = references(root);
    writeFileSync(join(root, 'recipes/requirements/trainer.txt'), 'torch==9');
    const after = references(root);
    expect(Object.keys(before).filter((name) => before[name] !== after[name])).toEqual([
      'packages',
      'trainer',
      'server',
    ]);
  });

  it('changes with the base image for all, and with a GPU for trainer and server', () => {
    const before = references(packageRoot());
    const changed = (after: Record<string, string>) =>
      Object.keys(before).filter((name) => before[name] !== after[name]);
    expect(changed(references(packageRoot(), { ...variant, baseImage: 'mirror.example/python' }))).toHaveLength(4);
    expect(changed(references(packageRoot(), { ...variant, gpu: true }))).toEqual(['trainer', 'server']);
  });
});

describe('the files of a build', () => {
  it('are those that the ignore file lets in, less the lock of the other variant', () => {
    const files = contextFiles(packageRoot(), 'compose/images/server/Dockerfile', { gpu: false });
    expect(files).toContain('compose/images/install');
    expect(files).toContain('compose/images/server/start.py');
    expect(files).toContain('recipes/requirements/server-cpu.txt');
    expect(files).not.toContain('recipes/requirements/server-cuda.txt');
    expect(files).toEqual([...files].sort());
  });
});
