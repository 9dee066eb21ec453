// Which file a recipe's name or path means.
import { existsSync, statSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve } from 'node:path';

import { parseDocument } from 'yaml';

import { nearestNames } from '../config/nearest.js';
import { errorCode, MlxError } from '../errors.js';
import type { RecipeFolders } from './load.js';

/** @throws MlxError RECIPE_NOT_FOUND with the nearest names, AMBIGUOUS when none is named and there are several */
export async function findRecipeFile(project: RecipeFolders, reference: string | undefined): Promise<string> {
  if (reference === undefined) return onlyRecipe(project);
  const direct = [
    resolve(reference),
    resolve(project.project, reference),
    resolve(project.recipes, reference),
    resolve(project.recipes, `${reference}.yaml`),
  ];
  const path = direct.find((candidate) => isRecipePath(candidate));
  if (path !== undefined) return path;
  const files = await recipeFiles(project);
  const byFile = files.find((file) => recipeFileName(file) === reference);
  if (byFile !== undefined) return byFile;
  for (const file of files) {
    if ((await nameInside(file)) === reference) return file;
  }
  const names = files.map(recipeFileName);
  throw new MlxError('RECIPE_NOT_FOUND', `There is no recipe '${reference}' in ${project.recipes}.`, {
    hint:
      names.length === 0
        ? 'Make one: mlx init --template sft'
        : `The nearest: ${nearestNames(reference, names, 5).join(', ')}`,
  });
}

/** What finds a recipe again: its name, or its path when it does not stand right in recipes/. */
export function recipeReference(project: RecipeFolders, { name, file }: { name: string; file: string }): string {
  if (dirname(file) === project.recipes) return name;
  const inside = relative(project.project, file);
  return inside.startsWith('..') ? file : inside;
}

/** The recipes of a project, sorted; locks are none. */
export async function recipeFiles(project: RecipeFolders): Promise<string[]> {
  try {
    const names = await readdir(project.recipes);
    return names
      .filter((name) => /\.ya?ml$/.test(name) && !/\.lock\.ya?ml$/.test(name))
      .sort()
      .map((name) => join(project.recipes, name));
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return [];
    throw error;
  }
}

export function recipeFileName(file: string): string {
  return basename(file).replace(/\.ya?ml$/, '');
}

async function onlyRecipe(project: RecipeFolders): Promise<string> {
  const [first, ...others] = await recipeFiles(project);
  if (first === undefined) {
    throw new MlxError('RECIPE_NOT_FOUND', `There is no recipe in ${project.recipes}.`, {
      hint: 'Make one: mlx init --template sft',
    });
  }
  if (others.length === 0) return first;
  const names = [first, ...others].map(recipeFileName);
  throw new MlxError('AMBIGUOUS', `This project has ${names.length} recipes: ${names.join(', ')}.`, {
    hint: `Name one of them, for example: mlx train ${shortest(names)}`,
  });
}

/** Variants have longer names than what they vary. */
function shortest(names: readonly string[]): string {
  return names.reduce((one, other) => (other.length < one.length ? other : one));
}

function isRecipePath(path: string): boolean {
  return /\.ya?ml$/.test(path) && existsSync(path) && statSync(path).isFile();
}

/** The `name:` of a recipe that may be invalid otherwise. */
async function nameInside(file: string): Promise<unknown> {
  return parseDocument(await readFile(file, 'utf8')).get('name');
}
