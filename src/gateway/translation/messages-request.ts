// An Anthropic messages request as an OpenAI chat request. Strict: a field without a counterpart is refused by name.
// https://docs.anthropic.com/en/api/messages and https://platform.openai.com/docs/api-reference/chat/create
import { z } from 'zod';

import { openAiUrl } from './media.js';
import { parseTranslatable, UntranslatableError, type Upstream } from './translator.js';

/** Only says what to keep in a cache. */
const cached = { cache_control: z.unknown().optional() };
const text = z.strictObject({
  type: z.literal('text'),
  text: z.string(),
  ...cached,
  citations: z.union([z.null(), z.array(z.unknown()).max(0)]).optional(),
});
const base64 = z.strictObject({ type: z.literal('base64'), media_type: z.string(), data: z.string() });
const url = z.strictObject({ type: z.literal('url'), url: z.string() });
const image = z.strictObject({
  type: z.literal('image'),
  source: z.discriminatedUnion('type', [base64, url]),
  ...cached,
});
const document = z.strictObject({
  type: z.literal('document'),
  source: z.discriminatedUnion('type', [
    base64,
    z.strictObject({ type: z.literal('text'), media_type: z.literal('text/plain'), data: z.string() }),
  ]),
  title: z.string().nullish(),
  ...cached,
});
const toolResult = z.strictObject({
  type: z.literal('tool_result'),
  tool_use_id: z.string(),
  content: z.union([z.string(), z.array(text)]).optional(),
  is_error: z.boolean().optional(),
  ...cached,
});
/** Loose, as the text below: clients send back what they got, with what they have added to it. */
const toolUse = z.looseObject({
  type: z.literal('tool_use'),
  id: z.string(),
  name: z.string(),
  input: z.record(z.string(), z.unknown()),
});
/** What a model thought in earlier turns: no other model can use it, and Anthropic itself leaves it out. */
const thoughts = [
  z.strictObject({ type: z.literal('thinking'), thinking: z.string(), signature: z.string() }),
  z.strictObject({ type: z.literal('redacted_thinking'), data: z.string() }),
] as const;

const userBlock = z.discriminatedUnion('type', [text, image, document, toolResult]);
const said = z.looseObject({ type: z.literal('text'), text: z.string() });
const assistantBlock = z.discriminatedUnion('type', [said, toolUse, ...thoughts]);
const message = z.discriminatedUnion('role', [
  z.strictObject({ role: z.literal('user'), content: z.union([z.string(), z.array(userBlock)]) }),
  z.strictObject({ role: z.literal('assistant'), content: z.union([z.string(), z.array(assistantBlock)]) }),
]);
const jsonFormat = z.strictObject({ type: z.literal('json_schema'), schema: z.record(z.string(), z.unknown()) });
const parallel = { disable_parallel_tool_use: z.boolean().optional() };

const messagesRequest = z.strictObject({
  model: z.string(),
  max_tokens: z.int().positive(),
  messages: z.array(message).min(1),
  system: z.union([z.string(), z.array(text)]).optional(),
  stream: z.boolean().nullish(),
  temperature: z.number().optional(),
  top_p: z.number().optional(),
  stop_sequences: z.array(z.string()).optional(),
  metadata: z.strictObject({ user_id: z.string().nullish() }).optional(),
  service_tier: z.enum(['auto', 'standard_only']).optional(),
  ...cached,
  thinking: z
    .discriminatedUnion('type', [
      z.strictObject({ type: z.literal('disabled') }),
      z.strictObject({ type: z.literal('adaptive'), display: z.unknown().optional() }),
      z.strictObject({ type: z.literal('enabled'), budget_tokens: z.int(), display: z.unknown().optional() }),
    ])
    .optional(),
  output_config: z
    .strictObject({ effort: z.enum(['low', 'medium', 'high', 'xhigh', 'max']).nullish(), format: jsonFormat.nullish() })
    .nullish(),
  output_format: jsonFormat.nullish(),
  tools: z
    .array(
      z.strictObject({
        type: z.literal('custom').nullish(),
        name: z.string(),
        description: z.string().optional(),
        input_schema: z.record(z.string(), z.unknown()),
        strict: z.boolean().optional(),
        eager_input_streaming: z.unknown().optional(),
        ...cached,
      }),
    )
    .optional(),
  tool_choice: z
    .discriminatedUnion('type', [
      z.strictObject({ type: z.literal('auto'), ...parallel }),
      z.strictObject({ type: z.literal('any'), ...parallel }),
      z.strictObject({ type: z.literal('none') }),
      z.strictObject({ type: z.literal('tool'), name: z.string(), ...parallel }),
    ])
    .optional(),
});

type MessagesRequest = z.infer<typeof messagesRequest>;
type Message = z.infer<typeof message>;
type Fields = Record<string, unknown>;

export function messagesRequestToChat(
  fields: Readonly<Record<string, unknown>>,
  { model, origin }: Upstream,
): Record<string, unknown> {
  requireAnswerLimit(fields);
  const asked = parseTranslatable(messagesRequest, fields);
  const system =
    typeof asked.system === 'string' ? asked.system : asked.system?.map((block) => block.text).join('\n\n');
  const user = asked.metadata?.user_id;
  return {
    model,
    messages: [...(system ? [{ role: 'system', content: system }] : []), ...asked.messages.flatMap(chatMessages)],
    [limitField(origin)]: asked.max_tokens,
    ...(asked.stream === true ? { stream: true, stream_options: { include_usage: true } } : {}),
    ...(asked.temperature === undefined ? {} : { temperature: asked.temperature }),
    ...(asked.top_p === undefined ? {} : { top_p: asked.top_p }),
    ...(asked.stop_sequences?.length ? { stop: asked.stop_sequences } : {}),
    ...(user == null ? {} : { user }),
    ...effortFields(asked),
    ...formatFields(asked),
    ...toolFields(asked),
  };
}

/** The field that people forget who come from OpenAI's API: nothing is wrong with the translation then. */
function requireAnswerLimit(fields: Readonly<Record<string, unknown>>): void {
  if (fields['max_tokens'] != null) return;
  const message =
    "'max_tokens' is missing: Anthropic's API requires it. It says how many tokens the answer may have at most, such as 1024.";
  throw new UntranslatableError({ param: 'max_tokens', message });
}

/** OpenAI's own hosts refuse the older name for their newer models; other hosts may not know the newer one. */
function limitField(origin: string): string {
  const own = /(^|\.)(openai\.com|openai\.azure\.com)$/.test(new URL(origin).hostname);
  return own ? 'max_completion_tokens' : 'max_tokens';
}

function chatMessages(one: Message): Fields[] {
  if (typeof one.content === 'string') return [{ role: one.role, content: one.content }];
  if (one.role === 'assistant') return [assistantMessage(one.content)];
  const results = one.content.filter((block) => block.type === 'tool_result');
  const parts = one.content.filter((block) => block.type !== 'tool_result').map(userPart);
  const [only] = parts;
  const content = parts.length === 1 && only?.['type'] === 'text' ? only['text'] : parts;
  // The results come first: OpenAI wants them right behind the calls.
  return [...results.map(toolMessage), ...(parts.length === 0 ? [] : [{ role: 'user', content }])];
}

function userPart(block: Exclude<z.infer<typeof userBlock>, { type: 'tool_result' }>): Fields {
  switch (block.type) {
    case 'text':
      return { type: 'text', text: block.text };
    case 'image':
      return { type: 'image_url', image_url: { url: openAiUrl(block.source) } };
    case 'document':
      if (block.source.type === 'text') return { type: 'text', text: block.source.data };
      return { type: 'file', file: { filename: block.title ?? 'document', file_data: openAiUrl(block.source) } };
  }
}

function toolMessage({ tool_use_id: id, content = '', is_error: failed }: z.infer<typeof toolResult>): Fields {
  const result = typeof content === 'string' ? content : content.map((block) => block.text).join('\n');
  // OpenAI has no flag for it.
  return { role: 'tool', tool_call_id: id, content: failed === true ? `Error: ${result}` : result };
}

function assistantMessage(blocks: readonly z.infer<typeof assistantBlock>[]): Fields {
  const words = blocks.flatMap((block) => (block.type === 'text' ? [block.text] : [])).join('');
  const calls = blocks.flatMap((block) =>
    block.type === 'tool_use'
      ? [{ id: block.id, type: 'function', function: { name: block.name, arguments: JSON.stringify(block.input) } }]
      : [],
  );
  return {
    role: 'assistant',
    content: words === '' ? null : words,
    ...(calls.length === 0 ? {} : { tool_calls: calls }),
  };
}

/** Budgets of thinking have no counterpart but three steps of effort. */
function effortFields({ thinking, output_config: config }: MessagesRequest): Fields {
  const efforts = { low: 'low', medium: 'medium', high: 'high', xhigh: 'high', max: 'high' } as const;
  const effort = config?.effort == null ? undefined : efforts[config.effort];
  if (effort !== undefined) return { reasoning_effort: effort };
  if (thinking?.type !== 'enabled') return {};
  const budget = thinking.budget_tokens;
  return { reasoning_effort: budget < 4_096 ? 'low' : budget < 16_384 ? 'medium' : 'high' };
}

function formatFields({ output_config: config, output_format: format }: MessagesRequest): Fields {
  const schema = (config?.format ?? format)?.schema;
  if (schema === undefined) return {};
  return { response_format: { type: 'json_schema', json_schema: { name: 'answer', schema, strict: true } } };
}

function toolFields({ tools, tool_choice: choice }: MessagesRequest): Fields {
  if (tools === undefined || tools.length === 0) return {};
  return {
    tools: tools.map(({ name, description, input_schema: parameters, strict }) => ({
      type: 'function',
      function: {
        name,
        ...(description === undefined ? {} : { description }),
        parameters,
        ...(strict === undefined ? {} : { strict }),
      },
    })),
    ...(choice === undefined ? {} : { tool_choice: toolChoice(choice) }),
    ...(choice && 'disable_parallel_tool_use' in choice && choice.disable_parallel_tool_use === true
      ? { parallel_tool_calls: false }
      : {}),
  };
}

function toolChoice(choice: NonNullable<MessagesRequest['tool_choice']>): unknown {
  switch (choice.type) {
    case 'auto':
    case 'none':
      return choice.type;
    case 'any':
      return 'required';
    case 'tool':
      return { type: 'function', function: { name: choice.name } };
  }
}
