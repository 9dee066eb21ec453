// `mlx prompts ls`: the prompts of the project. Reads prompts/.
import { outcome } from '../output/output.js';
import { renderTable } from '../output/table.js';
import type { CommandModule } from '../program.js';
import { loadPrompts } from '../prompts/load.js';
import type { Prompt } from '../prompts/prompt.js';

export const define: CommandModule['define'] = (command) => {
  command.addHelpText(
    'after',
    `
A prompt is a file prompts/NAME.md. How one is written: mlx prompts show --help

Examples:
  mlx prompts ls
  mlx prompts ls --json | jq '.prompts[].sha256'`,
  );
};

export const run: CommandModule['run'] = async (context) => {
  const prompts = (await loadPrompts(context.paths().prompts)).map(({ name, description, variables, sha256 }) => ({
    ...{ name, description, sha256 },
    variables: variables.map((variable) => variable.name),
  }));
  return outcome({ prompts }, (value) => renderPrompts(value.prompts, context.output.columns));
};

type Listed = Pick<Prompt, 'name' | 'description' | 'sha256'> & { variables: string[] };

function renderPrompts(prompts: readonly Listed[], width: number): string {
  if (prompts.length === 0) return 'There is no prompt yet. How one is written: mlx prompts show --help';
  return renderTable(
    [
      { title: 'prompt', cell: ({ name }) => name },
      { title: 'variables', cell: ({ variables }) => variables.join(', ') || '--', dropFirst: 1 },
      { title: 'sha256', cell: ({ sha256 }) => sha256.slice(0, 12) },
      { title: 'description', cell: ({ description }) => description, dropFirst: 2 },
    ],
    prompts,
    width,
  );
}
