// An OpenAI chat request as an Anthropic messages request. Strict: a field without a counterpart is refused by name.
// https://platform.openai.com/docs/api-reference/chat/create and https://docs.anthropic.com/en/api/messages
import { z } from 'zod';

import { anthropicFile, anthropicImage } from './media.js';
import { parseTranslatable, untranslatable, type Upstream } from './translator.js';

/** Anthropic wants a limit; OpenAI's clients often name none. Every current model writes that many. */
const defaultMaxTokens = 8192;

const text = z.strictObject({ type: z.literal('text'), text: z.string() });
const image = z.strictObject({
  type: z.literal('image_url'),
  image_url: z.strictObject({ url: z.string(), detail: z.string().optional() }),
});
const file = z.strictObject({
  type: z.literal('file'),
  file: z.strictObject({ file_data: z.string(), filename: z.string().optional() }),
});
const refusal = z.strictObject({ type: z.literal('refusal'), refusal: z.string() });
const words = z.union([z.string(), z.array(text)]);

/** Loose, as the whole answer below: clients send back what they got, with what they and we have added to it. */
const toolCall = z.looseObject({
  id: z.string(),
  type: z.literal('function'),
  function: z.looseObject({ name: z.string(), arguments: z.string() }),
});

const message = z.discriminatedUnion('role', [
  z.strictObject({ role: z.enum(['system', 'developer']), content: words }),
  z.strictObject({
    role: z.literal('user'),
    content: z.union([z.string(), z.array(z.discriminatedUnion('type', [text, image, file]))]),
  }),
  z.looseObject({
    role: z.literal('assistant'),
    content: z.union([z.string(), z.array(z.discriminatedUnion('type', [text, refusal]))]).nullish(),
    refusal: z.string().nullish(),
    tool_calls: z.array(toolCall).nullish(),
    audio: z.null().optional(),
    function_call: z.null().optional(),
  }),
  z.strictObject({ role: z.literal('tool'), tool_call_id: z.string(), content: words }),
]);

const chatRequest = z.strictObject({
  model: z.string(),
  messages: z.array(message).min(1),
  stream: z.boolean().nullish(),
  stream_options: z.strictObject({ include_usage: z.boolean().nullish() }).nullish(),
  max_tokens: z.int().positive().nullish(),
  max_completion_tokens: z.int().positive().nullish(),
  temperature: z.number().min(0).max(1).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  stop: z.union([z.string(), z.array(z.string())]).nullish(),
  n: z.literal(1).nullish(),
  logprobs: z.literal(false).nullish(),
  logit_bias: z.record(z.string(), z.never()).nullish(),
  frequency_penalty: z.literal(0).nullish(),
  presence_penalty: z.literal(0).nullish(),
  user: z.string().nullish(),
  safety_identifier: z.string().nullish(),
  store: z.literal(false).nullish(),
  service_tier: z.enum(['auto', 'default']).nullish(),
  modalities: z.tuple([z.literal('text')]).nullish(),
  /** Only says where to look for what was cached. */
  prompt_cache_key: z.string().nullish(),
  reasoning_effort: z.enum(['none', 'minimal', 'low', 'medium', 'high', 'xhigh']).nullish(),
  response_format: z
    .discriminatedUnion('type', [
      z.strictObject({ type: z.literal('text') }),
      z.strictObject({
        type: z.literal('json_schema'),
        json_schema: z.strictObject({
          name: z.string(),
          description: z.string().optional(),
          schema: z.record(z.string(), z.unknown()),
          strict: z.boolean().nullish(),
        }),
      }),
    ])
    .nullish(),
  tools: z
    .array(
      z.strictObject({
        type: z.literal('function'),
        function: z.strictObject({
          name: z.string(),
          description: z.string().optional(),
          parameters: z.record(z.string(), z.unknown()).optional(),
          strict: z.boolean().nullish(),
        }),
      }),
    )
    .nullish(),
  tool_choice: z
    .union([
      z.enum(['auto', 'none', 'required']),
      z.strictObject({ type: z.literal('function'), function: z.strictObject({ name: z.string() }) }),
    ])
    .nullish(),
  parallel_tool_calls: z.boolean().nullish(),
});

type ChatRequest = z.infer<typeof chatRequest>;
type Message = z.infer<typeof message>;
type Block = Record<string, unknown>;
type Turn = { role: 'user' | 'assistant'; content: Block[] };

export function chatRequestToMessages(
  fields: Readonly<Record<string, unknown>>,
  { model }: Upstream,
): Record<string, unknown> {
  const asked = parseTranslatable(chatRequest, fields);
  const system = asked.messages.flatMap((one) => (isSystem(one) ? textBlocks(one.content) : []));
  const user = asked.safety_identifier ?? asked.user;
  const { stop } = asked;
  return {
    model,
    max_tokens: asked.max_completion_tokens ?? asked.max_tokens ?? defaultMaxTokens,
    ...(system.length === 0 ? {} : { system }),
    messages: turnsOf(asked.messages),
    ...(asked.stream === true ? { stream: true } : {}),
    ...given('temperature', asked.temperature),
    ...given('top_p', asked.top_p),
    ...given('stop_sequences', typeof stop === 'string' ? [stop] : stop),
    ...(user == null ? {} : { metadata: { user_id: user } }),
    ...outputConfig(asked),
    ...toolFields(asked),
  };
}

function isSystem(one: Message): one is Extract<Message, { role: 'system' | 'developer' }> {
  return one.role === 'system' || one.role === 'developer';
}

/** Anthropic wants user and assistant in turn; all results of a turn's tool calls stand in one message. */
function turnsOf(messages: readonly Message[]): Turn[] {
  const turns: Turn[] = [];
  messages.forEach((one, index) => {
    if (isSystem(one)) return;
    const role = one.role === 'assistant' ? 'assistant' : 'user';
    const content = blocksOf(one, index);
    const last = turns.at(-1);
    if (last?.role === role) last.content.push(...content);
    else if (content.length > 0) turns.push({ role, content });
  });
  return turns;
}

function blocksOf(one: Exclude<Message, { role: 'system' | 'developer' }>, index: number): Block[] {
  switch (one.role) {
    case 'tool':
      return [{ type: 'tool_result', tool_use_id: one.tool_call_id, content: textBlocks(one.content) }];
    case 'assistant': {
      const parts =
        one.content == null || typeof one.content === 'string' ? textBlocks(one.content ?? '') : one.content;
      const said = parts.map((part) => (part['type'] === 'refusal' ? { type: 'text', text: part['refusal'] } : part));
      const calls = (one.tool_calls ?? []).map((call, at) => ({
        type: 'tool_use',
        id: call.id,
        name: call.function.name,
        input: parseArguments(call.function.arguments, ['messages', index, 'tool_calls', at, 'function', 'arguments']),
      }));
      return [...said, ...(one.refusal == null ? [] : textBlocks(one.refusal)), ...calls];
    }
    case 'user':
      return typeof one.content === 'string'
        ? textBlocks(one.content)
        : one.content.map((part, at) => userBlock(part, ['messages', index, 'content', at]));
  }
}

function userBlock(
  part: z.infer<typeof text> | z.infer<typeof image> | z.infer<typeof file>,
  path: PropertyKey[],
): Block {
  if (part.type === 'image_url') return anthropicImage(part.image_url.url, [...path, 'image_url', 'url']);
  if (part.type === 'file') return anthropicFile(part.file, [...path, 'file', 'file_data']);
  return { type: 'text', text: part.text };
}

/** Anthropic refuses empty texts. */
function textBlocks(content: z.infer<typeof words>): Block[] {
  const parts = typeof content === 'string' ? [{ type: 'text' as const, text: content }] : content;
  return parts.filter((part) => part.text !== '');
}

function parseArguments(written: string, path: PropertyKey[]): unknown {
  if (written.trim() === '') return {};
  try {
    return JSON.parse(written) as unknown;
  } catch {
    throw untranslatable(path, 'it is not JSON');
  }
}

function outputConfig({ response_format: format, reasoning_effort: effort }: ChatRequest): Block {
  const efforts = { minimal: 'low', low: 'low', medium: 'medium', high: 'high', xhigh: 'max' } as const;
  const config = {
    ...(effort == null || effort === 'none' ? {} : { effort: efforts[effort] }),
    ...(format?.type === 'json_schema' ? { format: { type: 'json_schema', schema: format.json_schema.schema } } : {}),
  };
  return Object.keys(config).length === 0 ? {} : { output_config: config };
}

function toolFields({ tools, tool_choice: choice, parallel_tool_calls: parallel }: ChatRequest): Block {
  if (tools == null || tools.length === 0) return {};
  const single = parallel === false && choice !== 'none' ? { disable_parallel_tool_use: true } : {};
  return {
    tools: tools.map(({ function: { name, description, parameters, strict } }) => ({
      name,
      ...given('description', description),
      input_schema: parameters ?? { type: 'object', properties: {} },
      ...(strict === true ? { strict } : {}),
    })),
    ...(choice == null && parallel !== false ? {} : { tool_choice: { ...toolChoice(choice), ...single } }),
  };
}

function toolChoice(choice: ChatRequest['tool_choice']): Block {
  if (typeof choice === 'object' && choice !== null) return { type: 'tool', name: choice.function.name };
  return { type: choice === 'required' ? 'any' : (choice ?? 'auto') };
}

function given(name: string, value: unknown): Block {
  return value === undefined || value === null ? {} : { [name]: value };
}
