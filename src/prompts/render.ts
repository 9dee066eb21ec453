// A prompt with its variables filled in. Nothing is escaped, and a value is never read as a template or as a heading: the
// messages were cut before.
import mustache from 'mustache';

import { MlxError } from '../errors.js';
import type { Message, Prompt, Value } from './prompt.js';

/** @throws MlxError PROMPT_VARIABLES naming every variable that is missing or unknown */
export function renderPrompt(prompt: Prompt, values: Readonly<Record<string, Value>>): Message[] {
  const known = prompt.variables.map(({ name }) => name);
  const missing = prompt.variables.filter(
    (variable) => variable.default === undefined && !Object.hasOwn(values, variable.name),
  );
  const unknown = Object.keys(values).filter((name) => !known.includes(name));
  if (missing.length > 0 || unknown.length > 0) {
    const parts = [
      ...(missing.length > 0 ? [`needs a value for ${missing.map(({ name }) => name).join(', ')}`] : []),
      ...(unknown.length > 0 ? [`has no variable ${unknown.join(', ')}`] : []),
    ];
    throw new MlxError('PROMPT_VARIABLES', `The prompt ${prompt.name} ${parts.join(', and ')}.`, {
      hint: `Its variables: ${known.join(', ') || 'none'}`,
    });
  }
  const defaults = Object.fromEntries(prompt.variables.map((variable) => [variable.name, variable.default]));
  const view = { ...defaults, ...values };
  return prompt.messages.map(({ role, content }) => ({
    role,
    content: mustache.render(content, view, undefined, { escape: String }),
  }));
}
