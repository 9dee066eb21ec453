// Rows that hold the variables of a prompt, and the answer: {"ticket": "...", "completion": "..."}. They become what the gateway
// would send with the same prompt, so that a model is trained on what it will be asked.
import type { Prompt, Value } from '../prompts/prompt.js';
import { renderPrompt } from '../prompts/render.js';
import { shapeRow, type ShapedRow } from './shape.js';

export function templatedRow(value: unknown, prompt: Prompt): ShapedRow {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return { problem: 'is not an object with keys' };
  const row = value as Record<string, unknown>;
  const given = prompt.variables.filter(({ name }) => row[name] !== undefined && row[name] !== null);
  const missing = prompt.variables.filter((variable) => !given.includes(variable) && variable.default === undefined);
  if (missing.length > 0) {
    return {
      problem: `has no ${missing.map(({ name }) => name).join(' and no ')}, which the prompt ${prompt.name} needs`,
    };
  }
  const unusable = given.find(({ name }) => !isValue(row[name]));
  if (unusable) return { problem: `${unusable.name} is no text, number, true or false, or list of texts` };
  const values = Object.fromEntries(given.map(({ name }) => [name, row[name] as Value]));
  return shapeRow({ prompt: renderPrompt(prompt, values), completion: row['completion'] }, 'prompt_completion');
}

function isValue(value: unknown): value is Value {
  if (Array.isArray(value)) return value.every((item) => typeof item === 'string');
  return ['string', 'number', 'boolean'].includes(typeof value);
}
