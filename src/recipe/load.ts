// A recipe's YAML -> Recipe: found by path or name, changed by --set, checked strictly.
import { existsSync } from 'node:fs';
import { relative } from 'node:path';

import { parse } from 'yaml';

import { MlxError } from '../errors.js';
import { parseYamlFile, type Override } from '../config/yaml.js';
import { findRecipeFile, recipeFileName } from './find.js';
import { recipeSchema, type Recipe } from './schema.js';

export type RecipeFolders = { project: string; recipes: string };

/** Who set a setting: a flag (`--set`), the YAML file, or nobody. */
export type Origin = 'flag' | 'recipe' | 'default';

export type LoadedRecipe = {
  recipe: Recipe;
  /** Of a setting by its dotted path, for example `trainer.learning_rate`. */
  originOf: (path: string) => Origin;
};

/** As `loadRecipeWithOrigins`, for those who do not ask who set what. */
export async function loadRecipe(
  project: RecipeFolders,
  reference: string | undefined,
  overrides: readonly string[],
): Promise<Recipe> {
  return (await loadRecipeWithOrigins(project, reference, overrides)).recipe;
}

/**
 * @param reference a file, or the name of a recipe; undefined: the only recipe of the project
 * @param overrides `key.path=value`, the value read as YAML
 * @throws MlxError RECIPE_NOT_FOUND with the nearest names, AMBIGUOUS, RECIPE_INVALID with every problem, USAGE
 */
export async function loadRecipeWithOrigins(
  project: RecipeFolders,
  reference: string | undefined,
  overrides: readonly string[],
): Promise<LoadedRecipe> {
  const changes = overrides.map(parseOverride);
  const file = await findRecipeFile(project, reference);
  const shown = shownPath(project.project, file);
  const { value, written, lineOf } = await parseYamlFile(
    recipeSchema,
    { file, shown, overrides: changes },
    'RECIPE_INVALID',
  );
  const name = value.name ?? recipeFileName(file);
  if (value.name === undefined && !recipeSchema.shape.name.safeParse(name).success) {
    throw new MlxError('RECIPE_INVALID', `${shown} has no name, and '${name}' cannot be one.`, {
      problems: [{ file: shown, line: lineOf(['name']) ?? 1, path: 'name', message: 'is missing' }],
      hint: 'Add a line such as name: tickets (lower case letters, digits, dot, dash and underscore).',
    });
  }
  return {
    recipe: { ...value, name, model: value.model ?? name, file },
    originOf: (path) => originOf(path.split('.'), written, changes),
  };
}

function originOf(path: readonly string[], written: unknown, changes: readonly Override[]): Origin {
  const isFlag = changes.some((change) =>
    change.path.every((key, index) => index >= path.length || key === path[index]),
  );
  if (isFlag) return 'flag';
  let value = written;
  for (const key of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return 'default';
    value = (value as Record<string, unknown>)[key];
  }
  return 'recipe';
}

/** @throws MlxError USAGE when there is no `=` or no key before it */
export function parseOverride(text: string): Override {
  const split = text.indexOf('=');
  const path = text.slice(0, Math.max(split, 0)).trim().split('.');
  if (split < 1 || path.includes('')) {
    throw new MlxError('USAGE', `'--set ${text}' does not name a key and a value.`, {
      hint: 'Write --set KEY=VALUE, for example --set trainer.learning_rate=1e-4',
    });
  }
  try {
    return { path, value: parse(text.slice(split + 1), { prettyErrors: false }) as unknown, source: `--set ${text}` };
  } catch (error) {
    throw new MlxError('USAGE', `The value of '--set ${text}' is not YAML.`, {
      cause: error,
      hint: `Quote it: --set '${path.join('.')}="..."'`,
    });
  }
}

function shownPath(project: string, file: string): string {
  const inside = relative(project, file);
  return inside.startsWith('..') || !existsSync(project) ? file : inside;
}
