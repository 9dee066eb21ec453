// mlx init: makes a project, or adds a shipped recipe to one. Touches: files of the project folder alone.
import { existsSync } from 'node:fs';
import { basename, join, relative, resolve } from 'node:path';

import { Option } from 'commander';

import { asModelName, modelNameRule } from '../config/model-name.js';
import {
  ciServers,
  projectFiles,
  recipeFile,
  shippedRecipes,
  templates,
  type CiServer,
  type Template,
} from '../config/project-template.js';
import { writeProject } from '../config/project-writer.js';
import { MlxError } from '../errors.js';
import { outcome } from '../output/output.js';
import type { CommandModule } from '../program.js';

export const define: CommandModule['define'] = (command) => {
  command
    .argument('[folder]', 'where to make it; default: here')
    .addOption(
      new Option('--template <name>', 'demo: a task that runs anywhere; sft: your own data').choices(templates),
    )
    .option('--recipe <name>', 'begin with this shipped recipe, or add it to the project that is there')
    .addOption(
      new Option('--ci <server>', 'whose pipeline replays the recipes on every change')
        .choices(ciServers)
        .default('github'),
    )
    .option('--name <name>', 'name of the project and its model; default: the name of the folder')
    .option('--force', 'replace files that exist; names them, and never touches what mlx keeps in .mlx')
    .addHelpText(
      'after',
      `
Examples:
  mlx init                          the demo, in this folder
  mlx init support --template sft   a project for your own data, in ./support
  mlx init --recipe qwen3-8b-lora   add that recipe to this project
  mlx init support --ci gitlab      with .gitlab-ci.yml instead of a GitHub workflow

Shipped recipes: ${shippedRecipes().join(', ')}`,
    );
};

export const run: CommandModule['run'] = async (context, args, flags) => {
  const folder = resolve(context.workingDirectory, args[0] ?? context.flags.project ?? '.');
  const name = projectName(folder, text(flags['name']));
  const recipe = text(flags['recipe']);
  const chosen = text(flags['template']) as Template | undefined;
  if (recipe !== undefined && chosen === 'demo') {
    throw new MlxError('USAGE', 'The demo brings its own recipes: --recipe goes with --template sft.', {
      hint: 'Leave one of the two out.',
    });
  }
  const template = chosen ?? (recipe === undefined ? 'demo' : 'sft');
  const isAddition = recipe !== undefined && chosen === undefined && existsSync(join(folder, 'mlx.yaml'));
  const files = isAddition
    ? [recipeFile(recipe, name)]
    : projectFiles({ template, name, recipe, ci: flags['ci'] as CiServer });
  const again = commandAgain(args, { template: chosen, recipe, name: text(flags['name']), ci: otherCi(flags['ci']) });
  const options = { force: flags['force'] === true, dryRun: context.flags.dryRun, again };
  const { written, replaced } = await writeProject(folder, files, options);
  const made = { folder, name, template: isAddition ? null : template, written, replaced, dryRun: options.dryRun };
  return outcome(made, (value) => render(value, relative(context.workingDirectory, folder)));
};

/** The same command with --force: its hint is typed where this one was. */
function commandAgain(args: readonly string[], flags: Record<string, string | undefined>): string {
  const given = Object.entries(flags).flatMap(([flag, value]) => (value === undefined ? [] : [`--${flag} ${value}`]));
  return ['mlx init', ...args, ...given, '--force'].join(' ');
}

/** GitHub needs no flag. */
function otherCi(ci: unknown): string | undefined {
  return ci === 'github' ? undefined : text(ci);
}

type Made = {
  folder: string;
  name: string;
  /** null: a recipe was added to a project. */
  template: Template | null;
  written: string[];
  replaced: string[];
  dryRun: boolean;
};

function render(made: Made, place: string): string {
  const { template, written, replaced, dryRun } = made;
  const what = template === null ? 'recipe' : 'project';
  const where = place === '' ? 'this folder' : place;
  const verb = template === null ? ['Would add', 'Added'] : ['Would make', 'Made'];
  const title = `${verb[dryRun ? 0 : 1] ?? ''} the ${what} in ${where}:`;
  const lines = [...written.map((path) => `  ${path}`), ...replaced.map((path) => `  ${path} (replaced)`)];
  return [title, ...lines.sort(), ...(dryRun ? [] : nextCommands(made, place))].join('\n');
}

function nextCommands({ template, written, replaced }: Made, place: string): string[] {
  const recipe = [...written, ...replaced].find((path) => /^recipes\/[^/]+\.yaml$/.test(path));
  const first = basename(recipe ?? 'tickets.yaml', '.yaml');
  const train = template === 'demo' ? 'mlx train tickets' : `mlx train ${first}`;
  const rows = template === 'sft' ? ['       put your rows into data/train.jsonl (data/README.md shows how)'] : [];
  const enter = place === '' ? '' : `cd ${place} && `;
  return ['', `next   ${enter}mlx doctor`, ...rows, `       ${train}`];
}

function projectName(folder: string, wanted: string | undefined): string {
  if (wanted === undefined) return asModelName(basename(folder));
  if (wanted === asModelName(wanted)) return wanted;
  throw new MlxError('USAGE', `'${wanted}' cannot be the name of a model.`, {
    hint: `It takes ${modelNameRule}. For example: --name ${asModelName(wanted)}`,
  });
}

function text(flag: unknown): string | undefined {
  return typeof flag === 'string' ? flag : undefined;
}
