// The token counts of each wire format as one: cached tokens are part of the input, reasoning tokens of the output, as in
// OpenTelemetry's GenAI conventions. Pure. What a server sends is checked, never trusted.
import type { Usage } from '../exchange.js';

type Fields = Record<string, unknown>;

/** @returns undefined for a value that counts nothing */
export function readUsage(value: unknown): Usage | undefined {
  if (!isFields(value)) return undefined;
  if ('prompt_tokens' in value) return chatUsage(value);
  if (!('input_tokens' in value) && !('output_tokens' in value)) return undefined;
  return 'cache_read_input_tokens' in value || 'cache_creation_input_tokens' in value
    ? anthropicUsage(value)
    : responsesUsage(value);
}

export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function chatUsage(value: Fields): Usage {
  const input = fieldsOf(value['prompt_tokens_details']);
  return {
    inputTokens: count(value['prompt_tokens']),
    outputTokens: count(value['completion_tokens']),
    cachedInputTokens: count(input['cached_tokens']),
    cacheWriteTokens: count(input['cache_write_tokens']),
    reasoningTokens: count(fieldsOf(value['completion_tokens_details'])['reasoning_tokens']),
  };
}

/** Also Anthropic's without any cache: the same two names. */
function responsesUsage(value: Fields): Usage {
  const input = fieldsOf(value['input_tokens_details']);
  const output = fieldsOf(value['output_tokens_details']);
  return {
    inputTokens: count(value['input_tokens']),
    outputTokens: count(value['output_tokens']),
    cachedInputTokens: count(input['cached_tokens']),
    cacheWriteTokens: count(input['cache_write_tokens']),
    reasoningTokens: count(output['reasoning_tokens'] ?? output['thinking_tokens']),
  };
}

/** Its `input_tokens` are those that were neither read from the cache nor written to it. */
function anthropicUsage(value: Fields): Usage {
  const cachedInputTokens = count(value['cache_read_input_tokens']);
  const cacheWriteTokens = count(value['cache_creation_input_tokens']);
  return {
    inputTokens: count(value['input_tokens']) + cachedInputTokens + cacheWriteTokens,
    outputTokens: count(value['output_tokens']),
    cachedInputTokens,
    cacheWriteTokens,
    reasoningTokens: count(fieldsOf(value['output_tokens_details'])['thinking_tokens']),
  };
}

function fieldsOf(value: unknown): Fields {
  return isFields(value) ? value : {};
}

function count(value: unknown): number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0 ? value : 0;
}
