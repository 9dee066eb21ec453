// What `mlx init` writes, as data: the files of a template with the project's name put in.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { MlxError } from '../errors.js';
import { nearestNames } from './nearest.js';
import { packageRoot } from './paths.js';

export const templates = ['demo', 'sft'] as const;
export type Template = (typeof templates)[number];

/** The shipped recipe that the sft template begins with. */
const firstRecipe = 'qwen3-0.6b-lora';

export type ProjectFile = { path: string; contents: Buffer };

/** Whose pipeline a project begins with. */
export const ciServers = ['github', 'gitlab'] as const;
export type CiServer = (typeof ciServers)[number];

export type NewProject = {
  template: Template;
  name: string;
  recipe: string | undefined;
  ci?: CiServer | undefined;
};

/** Every file of a new project, sorted by path. */
export function projectFiles(wanted: NewProject): ProjectFile[] {
  const root = packageRoot();
  const parts = ['shared', wanted.template, join('ci', wanted.ci ?? 'github')];
  const folders = parts.map((part) => join(root, 'templates', part));
  const files = folders.flatMap((folder) => templateFiles(folder, wanted));
  if (wanted.template === 'sft') files.push(recipeFile(wanted.recipe ?? firstRecipe, wanted.name));
  files.push({
    path: join('recipes', 'recipe.schema.json'),
    contents: readFileSync(join(root, 'docs', 'recipe.schema.json')),
  });
  return files.sort((one, other) => (one.path < other.path ? -1 : 1));
}

/** A recipe that mlx ships, for a model of this name. @throws MlxError RECIPE_NOT_FOUND with the nearest names */
export function recipeFile(recipe: string, name: string): ProjectFile {
  const known = shippedRecipes();
  if (!known.includes(recipe)) {
    throw new MlxError('RECIPE_NOT_FOUND', `mlx ships no recipe '${recipe}'.`, {
      hint: `Nearest: ${nearestNames(recipe, known).join(', ')}. See them all: mlx init --help`,
    });
  }
  const text = readFileSync(join(packageRoot(), 'recipes', `${recipe}.yaml`), 'utf8')
    .replace('$schema=../docs/recipe.schema.json', '$schema=recipe.schema.json')
    .replaceAll('my-model', name);
  return { path: join('recipes', `${recipe}.yaml`), contents: Buffer.from(text) };
}

export function shippedRecipes(): string[] {
  return readdirSync(join(packageRoot(), 'recipes'))
    .filter((name) => name.endsWith('.yaml'))
    .map((name) => name.slice(0, -'.yaml'.length))
    .sort();
}

function templateFiles(folder: string, { name }: NewProject): ProjectFile[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => {
      const source = join(entry.parentPath, entry.name);
      const contents = readFileSync(source);
      const path = projectPath(source.slice(folder.length + 1));
      if (!/\.(md|ya?ml)$/.test(path)) return { path, contents };
      const text = contents.toString('utf8').replaceAll('PROJECT_NAME', name);
      return { path, contents: Buffer.from(text) };
    });
}

/** Packages of npm cannot hold .gitignore, and our own .gitignore hides .mlx: templates name them without the dot. */
function projectPath(path: string): string {
  return path.replace(/^_(mlx|github|gitlab)\b/, '.$1').replace(/(^|\/)gitignore$/, '$1.gitignore');
}
