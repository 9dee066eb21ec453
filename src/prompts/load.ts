// prompts/NAME.md -> Prompt: front matter and messages checked strictly, all problems at once.
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';

import { nearestNames } from '../config/nearest.js';
import { parseYamlFile } from '../config/yaml.js';
import { errorCode, MlxError, type Problem } from '../errors.js';
import { parseBody } from './messages.js';
import { frontMatterSchema, type FrontMatter, type Prompt } from './prompt.js';

const fileName = /^([a-z0-9][a-z0-9._-]{0,62})\.md$/;
// The first line is dashes, and so is the one after the YAML.
const frontMatter = /^---\n([\s\S]*?\n)?---(?:\n|$)/;

/** Sorted. Other files of the folder, a README.md say, are none. */
export async function promptNames(folder: string): Promise<string[]> {
  try {
    const names = (await readdir(folder)).flatMap((name) => fileName.exec(name)?.[1] ?? []);
    return names.sort();
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return [];
    throw error;
  }
}

/** @throws MlxError PROMPT_NOT_FOUND with the nearest names, PROMPT_INVALID with every problem */
export async function loadPrompt(folder: string, name: string): Promise<Prompt> {
  const names = await promptNames(folder);
  if (!names.includes(name)) {
    const nearest = nearestNames(name, names, 5).join(', ');
    throw new MlxError('PROMPT_NOT_FOUND', `There is no prompt '${name}' in ${folder}.`, {
      hint:
        names.length === 0
          ? `Write ${basename(folder)}/${name}.md: mlx prompts show --help`
          : `The nearest: ${nearest}`,
    });
  }
  const text = normalised(await readFile(join(folder, `${name}.md`), 'utf8'));
  return parsePrompt(text, name, `${basename(folder)}/${name}.md`);
}

export async function loadPrompts(folder: string): Promise<Prompt[]> {
  return Promise.all((await promptNames(folder)).map((name) => loadPrompt(folder, name)));
}

/** The same text on every system: what the hash is taken of. */
function normalised(text: string): string {
  return `${text
    .replace(/^\uFEFF/, '')
    .replaceAll(/\r\n?/g, '\n')
    .trimEnd()}\n`;
}

async function parsePrompt(text: string, name: string, shown: string): Promise<Prompt> {
  const match = frontMatter.exec(text);
  if (!match)
    throw invalid(shown, [{ file: shown, line: 1, message: 'does not begin with front matter between lines of ---' }]);
  // An empty first line in place of the dashes: lines count as in the file.
  const yaml = { file: shown, shown, text: `\n${match[1] ?? ''}` };
  const { value, lineOf } = await parseYamlFile(frontMatterSchema, yaml, 'PROMPT_INVALID');
  const firstLine = match[0].split('\n').length;
  const body = parseBody(text.slice(match[0].length), firstLine);
  const problems = [...nameProblems(value, name, body.used), ...body.problems].map((problem) => ({
    file: shown,
    line: problem.line ?? lineOf(problem.path?.split('.') ?? []) ?? 1,
    ...problem,
  }));
  if (problems.length > 0) throw invalid(shown, problems);
  return {
    name,
    description: value.description ?? '',
    variables: Object.entries(value.variables).map(([variable, details]) => ({
      name: variable,
      description: details?.description ?? '',
      default: details?.default,
    })),
    parameters: value.parameters,
    messages: body.messages,
    sha256: createHash('sha256').update(text).digest('hex'),
  };
}

function nameProblems(value: FrontMatter, name: string, used: ReadonlySet<string>): Omit<Problem, 'file'>[] {
  const declared = Object.keys(value.variables);
  const problems: Omit<Problem, 'file'>[] = [];
  if (value.name !== undefined && value.name !== name) {
    problems.push({ path: 'name', message: `is '${value.name}', and the file is called ${name}.md` });
  }
  for (const variable of used) {
    if (!declared.includes(variable))
      problems.push({ path: 'variables', message: `lacks ${variable}, which a message uses` });
  }
  for (const variable of declared) {
    if (!used.has(variable)) problems.push({ path: `variables.${variable}`, message: 'is used in no message' });
  }
  return problems;
}

function invalid(shown: string, problems: Problem[]): MlxError {
  const count = problems.length === 1 ? 'one problem' : `${problems.length} problems`;
  return new MlxError('PROMPT_INVALID', `${shown} has ${count}.`, { problems, hint: 'Correct what is listed.' });
}
