// How answers end, and what they cost, in the words of each dialect. Anthropic counts cached input beside the rest, OpenAI within it.
// https://docs.anthropic.com/en/api/handling-stop-reasons
import { z } from 'zod';

const anthropicToOpenAi: Record<string, string> = {
  end_turn: 'stop',
  stop_sequence: 'stop',
  pause_turn: 'stop',
  max_tokens: 'length',
  model_context_window_exceeded: 'length',
  tool_use: 'tool_calls',
  refusal: 'content_filter',
};

const openAiToAnthropic: Record<string, string> = {
  stop: 'end_turn',
  length: 'max_tokens',
  tool_calls: 'tool_use',
  function_call: 'tool_use',
  content_filter: 'refusal',
};

export function finishReasonOf(stopReason: string): string {
  return anthropicToOpenAi[stopReason] ?? 'stop';
}

export function stopReasonOf(finishReason: string): string {
  return openAiToAnthropic[finishReason] ?? 'end_turn';
}

const count = z.number().nullish();

export const anthropicUsageSchema = z.looseObject({
  input_tokens: count,
  output_tokens: count,
  cache_creation_input_tokens: count,
  cache_read_input_tokens: count,
});

export const openAiUsageSchema = z.looseObject({
  prompt_tokens: count,
  completion_tokens: count,
  prompt_tokens_details: z.looseObject({ cached_tokens: count }).nullish(),
});

export type AnthropicUsage = z.infer<typeof anthropicUsageSchema>;
export type OpenAiUsage = z.infer<typeof openAiUsageSchema>;

export function toOpenAiUsage(usage: AnthropicUsage): Record<string, unknown> {
  const cachedTokens = usage.cache_read_input_tokens ?? 0;
  const promptTokens = (usage.input_tokens ?? 0) + (usage.cache_creation_input_tokens ?? 0) + cachedTokens;
  const completionTokens = usage.output_tokens ?? 0;
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
    prompt_tokens_details: { cached_tokens: cachedTokens },
  };
}

export function toAnthropicUsage(usage: OpenAiUsage | null | undefined): Record<string, number> {
  const cachedTokens = usage?.prompt_tokens_details?.cached_tokens ?? 0;
  return {
    input_tokens: Math.max(0, (usage?.prompt_tokens ?? 0) - cachedTokens),
    output_tokens: usage?.completion_tokens ?? 0,
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: cachedTokens,
  };
}
