// `mlx prompts show`: one prompt, its variables, parameters and messages. Reads its file.
import { verbatim } from '../output/output.js';
import type { CommandModule } from '../program.js';
import { loadPrompt } from '../prompts/load.js';
import type { Prompt } from '../prompts/prompt.js';

export const define: CommandModule['define'] = (command) => {
  command.argument('<name>', 'a file of prompts/ without its .md');
  command.addHelpText(
    'after',
    `
A prompt is a file prompts/NAME.md: front matter, then a heading a message. {{name}} is a variable (mustache, nothing is
escaped), {{#name}}...{{/name}} a section that stands when the variable is true, or once for each item of a list ({{.}}).

  ---
  description: A short answer to a customer
  variables:
    ticket: { description: What the customer wrote }
    language: { default: English }
  parameters: { temperature: 0.2, max_tokens: 300 }
  ---
  # system
  Answer in {{language}}, in at most three sentences.
  # user
  {{ticket}}

Clients name it in the body of a request, beside the model:
  "mlx_prompt": {"name": "answer", "variables": {"ticket": "Where is my order?"}}

Examples:
  mlx prompts show answer`,
  );
};

export const run: CommandModule['run'] = async (context, [name = '']) =>
  verbatim(await loadPrompt(context.paths().prompts, name), renderShown);

function renderShown({ name, description, sha256, variables, parameters, messages }: Prompt): string {
  const facts = [
    ['prompt', name],
    ...(description === '' ? [] : [['description', description]]),
    ['sha256', sha256],
    ...Object.entries(parameters).map(([key, value]) => [key, String(value)]),
    ...variables.map((variable) => [`{{${variable.name}}}`, variableText(variable)]),
  ];
  const width = Math.max(...facts.map(([key = '']) => key.length)) + 2;
  return [
    facts.map(([key = '', value = '']) => `${key.padEnd(width)}${value}`.trimEnd()).join('\n'),
    ...messages.map(({ role, content }) => `# ${role}\n${content}`),
  ].join('\n\n');
}

function variableText(variable: Prompt['variables'][number]): string {
  const otherwise = variable.default === undefined ? 'needed' : `default ${String(variable.default)}`;
  return variable.description === '' ? otherwise : `${variable.description} (${otherwise})`;
}
