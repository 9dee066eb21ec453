// `mlx prompts render`: the messages that a model would get. Reads the prompt's file; sends nothing.
import { MlxError } from '../errors.js';
import { verbatim } from '../output/output.js';
import type { CommandModule } from '../program.js';
import { loadPrompt } from '../prompts/load.js';
import type { Message } from '../prompts/prompt.js';
import { renderPrompt } from '../prompts/render.js';

export const define: CommandModule['define'] = (command) => {
  command.argument('<name>', 'a file of prompts/ without its .md');
  command.option('--var <name=value...>', 'a variable; may stand several times');
  command.addHelpText(
    'after',
    `
Examples:
  mlx prompts render answer --var ticket="Where is my order?" --var language=French
  mlx prompts render answer --var ticket=Hello --json | jq .messages`,
  );
};

export const run: CommandModule['run'] = async (context, [name = ''], flags) => {
  const values = Object.fromEntries(((flags['var'] ?? []) as string[]).map(parseVariable));
  const prompt = await loadPrompt(context.paths().prompts, name);
  const { sha256, parameters } = prompt;
  const value = { name, sha256, parameters, messages: renderPrompt(prompt, values) };
  return verbatim(value, ({ messages }) => renderMessages(messages));
};

function parseVariable(text: string): [string, string] {
  const split = text.indexOf('=');
  if (split < 1) {
    throw new MlxError('USAGE', `'--var ${text}' does not name a variable and its value.`, {
      hint: 'Write --var NAME=VALUE',
    });
  }
  return [text.slice(0, split), text.slice(split + 1)];
}

function renderMessages(messages: readonly Message[]): string {
  return messages.map(({ role, content }) => `# ${role}\n${content}`).join('\n\n');
}
