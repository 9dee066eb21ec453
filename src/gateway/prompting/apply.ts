// A rendered prompt put in front of what the client sent, in the client's dialect. Pure.
import type { Message, Prompt } from '../../prompts/prompt.js';
import type { Operation } from '../exchange.js';

type Fields = Readonly<Record<string, unknown>>;

/** What clients write beside the model; it never goes on to an upstream. */
export const promptField = 'mlx_prompt';

/** @returns undefined where the operation takes no messages */
export function withPrompt(
  fields: Fields,
  operation: Operation,
  messages: readonly Message[],
  parameters: Prompt['parameters'],
): Record<string, unknown> | undefined {
  const sent = Object.fromEntries(Object.entries(fields).filter(([name]) => name !== promptField));
  switch (operation) {
    case 'chat':
      return { ...chatParameters(parameters, sent), ...sent, messages: [...messages, ...listOf(sent['messages'])] };
    case 'messages':
    case 'count_tokens':
      return withAnthropicPrompt(sent, operation, messages, parameters);
    case 'responses':
      return withResponsesPrompt(sent, messages, parameters);
    case 'completions':
    case 'embeddings':
      return undefined;
  }
}

function withAnthropicPrompt(
  sent: Fields,
  operation: Operation,
  messages: readonly Message[],
  { stop, ...parameters }: Prompt['parameters'],
): Record<string, unknown> {
  const { system, turns } = divided(messages);
  const own = typeof sent['system'] === 'string' ? [{ type: 'text', text: sent['system'] }] : listOf(sent['system']);
  const blocks = system === undefined ? own : [{ type: 'text', text: system }, ...own];
  return {
    // Tokens are counted of a question; how it would be answered is no part of it.
    ...(operation === 'messages' ? { ...parameters, ...(stop === undefined ? {} : { stop_sequences: stop }) } : {}),
    ...sent,
    ...(blocks.length === 0 ? {} : { system: blocks }),
    messages: [...turns, ...listOf(sent['messages'])],
  };
}

function withResponsesPrompt(
  sent: Fields,
  messages: readonly Message[],
  { max_tokens: maxTokens, temperature, top_p: topP }: Prompt['parameters'],
): Record<string, unknown> {
  const { system, turns } = divided(messages);
  const { input, instructions } = sent;
  const own = typeof input === 'string' ? [{ role: 'user', content: input }] : listOf(input);
  const told = [system, typeof instructions === 'string' ? instructions : undefined].filter(
    (text) => text !== undefined,
  );
  return {
    // It knows no stop texts.
    ...(temperature === undefined ? {} : { temperature }),
    ...(topP === undefined ? {} : { top_p: topP }),
    ...(maxTokens === undefined ? {} : { max_output_tokens: maxTokens }),
    ...sent,
    ...(told.length === 0 ? {} : { instructions: told.join('\n\n') }),
    input: [...turns, ...own],
  };
}

/** `max_completion_tokens` is the newer name of `max_tokens`: a client that sends it has decided. */
function chatParameters({ max_tokens: maxTokens, ...parameters }: Prompt['parameters'], sent: Fields): Fields {
  if (maxTokens === undefined || 'max_completion_tokens' in sent) return parameters;
  return { ...parameters, max_tokens: maxTokens };
}

function divided(messages: readonly Message[]): { system: string | undefined; turns: readonly Message[] } {
  const [first, ...rest] = messages;
  return first?.role === 'system' ? { system: first.content, turns: rest } : { system: undefined, turns: messages };
}

function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? (value as unknown[]) : [];
}
