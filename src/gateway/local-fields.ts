// What a request to a model server of ours may carry: an allow-list an operation. Model servers take fields that load, fetch or
// run things (vLLM: chat_template, chat_template_kwargs, guided_*, prompt_embeds, mm_processor_kwargs): none of them is here.
// OpenAI's own: https://platform.openai.com/docs/api-reference
import type { Operation } from './exchange.js';

export type WrongField = { param: string; message: string };

const sampling = [
  'model', 'stream', 'stream_options', 'temperature', 'top_p', 'n', 'stop', 'seed', 'user', 'logprobs', 'logit_bias',
  'frequency_penalty', 'presence_penalty', 'max_tokens',
]; // prettier-ignore

const allowed: Partial<Record<Operation, ReadonlySet<string>>> = {
  chat: new Set([
    ...sampling,
    'messages',
    'max_completion_tokens',
    'top_logprobs',
    'tools',
    'tool_choice',
    'parallel_tool_calls',
    'response_format',
    'reasoning_effort',
    'metadata',
    'store',
    'safety_identifier',
    'prompt_cache_key',
    'service_tier',
  ]),
  completions: new Set([...sampling, 'prompt', 'suffix', 'echo', 'best_of']),
  embeddings: new Set(['model', 'input', 'encoding_format', 'dimensions', 'user']),
  responses: new Set([
    'model',
    'stream',
    'input',
    'instructions',
    'max_output_tokens',
    'temperature',
    'top_p',
    'tools',
    'tool_choice',
    'parallel_tool_calls',
    'text',
    'reasoning',
    'metadata',
    'store',
    'user',
    'truncation',
    'previous_response_id',
    'include',
    'service_tier',
    'safety_identifier',
    'prompt_cache_key',
  ]),
};

/** Each one is work for the server: a client must not ask for thousands. */
const caps: Record<string, number> = { n: 16, best_of: 16, logprobs: 20, top_logprobs: 20 };

const deepest = 64;

/** @returns undefined when a model server may get it */
export function wrongLocalField(
  operation: Operation,
  fields: Readonly<Record<string, unknown>>,
): WrongField | undefined {
  const names = allowed[operation];
  for (const [name, value] of Object.entries(fields)) {
    if (names !== undefined && !names.has(name)) {
      return {
        param: name,
        message: `'${name.slice(0, 100)}' is no field that the model servers of this gateway take.`,
      };
    }
    const cap = caps[name];
    if (cap !== undefined && typeof value === 'number' && value > cap) {
      return { param: name, message: `'${name}' is at most ${cap} here, not ${value}.` };
    }
  }
  return fetchedAddress(fields['messages'] ?? fields['input'], 0);
}

/** A model server that fetched what a client names would be a way into the network (SSRF): media come inside the request. */
function fetchedAddress(value: unknown, depth: number): WrongField | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  if (depth > deepest) return { param: 'messages', message: 'The request is nested too deeply.' };
  for (const [name, inner] of Object.entries(value)) {
    const wrong = isMediaField(name) && isFetched(inner) ? mediaProblem(name) : fetchedAddress(inner, depth + 1);
    if (wrong) return wrong;
  }
  return undefined;
}

function isMediaField(name: string): boolean {
  return /^(ur[il]|\w+_ur[il]|api_base|file_data)$/.test(name);
}

/** `image_url` is text, or an object whose `url` is looked at one step deeper. */
function isFetched(value: unknown): boolean {
  return typeof value === 'string' && !/^data:[\w.+-]+\/[\w.+-]+;base64,/i.test(value);
}

function mediaProblem(name: string): WrongField {
  return {
    param: name,
    message: `'${name}' must hold its content as data:TYPE;base64,... : nothing is fetched for a request.`,
  };
}
