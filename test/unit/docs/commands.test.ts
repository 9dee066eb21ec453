// docs/commands.md is what --help says, written by `npm run docs`; this test fails when it is not current.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import type { Command } from 'commander';
import { describe, expect, it } from 'vitest';

import { buildProgram } from '../../../src/program.js';
import { repositoryFiles, root } from '../source-tree.js';

describe('docs/commands.md', () => {
  it('says what --help says, for every command', async () => {
    const tree = await programFor([]);
    const sections = await Promise.all(leaves(tree).map(section));
    expect(sections.length).toBeGreaterThan(20);
    await expect(`${header}\n${sections.join('\n')}`).toMatchFileSnapshot(join(root, 'docs', 'commands.md'));
  });

  it('shows an example for every command', async () => {
    const helps = await Promise.all(leaves(await programFor([])).map(async (words) => [words, await helpOf(words)]));
    const without = helps.filter(([, help]) => !/^Examples?:$/m.test(String(help))).map(([words]) => words);
    expect(without).toEqual([]);
  });
});

describe('the documents and templates', () => {
  it('name no command that does not exist', async () => {
    const known = new Set(leaves(await programFor([])).map((words) => words.join(' ')));
    const groups = new Set([...known].filter((path) => path.includes(' ')).map((path) => path.split(' ')[0]));
    const documents = repositoryFiles().filter((path) => /^(README|CONTRIBUTING|ARCHITECTURE)\.md$|^templates\//.test(path));
    expect(documents.length).toBeGreaterThan(8);
    const unknown = documents.flatMap((path) =>
      [...readFileSync(join(root, path), 'utf8').matchAll(/[`$|] ?mlx ([a-z]+)(?: ([a-z]+))?/g)]
        .map(([, first = '', second = '']) => (groups.has(first) ? `${first} ${second}` : first))
        .filter((words) => !known.has(words) && !groups.has(words.trim()))
        .map((words) => `${path}: mlx ${words}`),
    );
    expect(unknown).toEqual([]);
  });
});

const header = `# Commands

Written from the program's own help by \`npm run docs\`: edit the command's file in \`src/commands/\`, not this page.
Every command takes \`--json\`; what it prints then is a contract. Exit statuses: [errors.md](errors.md).
`;

async function section(words: string[]): Promise<string> {
  return `## mlx ${words.join(' ')}\n\n\`\`\`text\n${(await helpOf(words)).trim()}\n\`\`\`\n`;
}

async function helpOf(words: string[]): Promise<string> {
  const program = await programFor(words);
  const command = words.reduce(
    (parent: Command | undefined, word) => parent?.commands.find((child) => child.name() === word),
    program,
  );
  let text = '';
  command?.configureOutput({ writeOut: (part) => (text += part), getOutHelpWidth: () => 100, getOutHasColors: () => false });
  command?.outputHelp();
  return text;
}

/** The tree with the one command loaded that `words` name; the others carry their summary alone. */
function programFor(words: string[]): Promise<Command> {
  return buildProgram(words, '0.0.0', () => Promise.resolve());
}

/** Commands, among them those that are a group too (`releases`): a mere group has no options. */
function leaves(command: Command, words: string[] = []): string[][] {
  const children = command.commands.filter((child) => child.name() !== 'help');
  const inner = children.flatMap((child) => leaves(child, [...words, child.name()]));
  return words.length > 0 && command.options.length > 0 ? [words, ...inner] : inner;
}
