// A whole Anthropic message as an OpenAI chat completion.
import { z } from 'zod';

import { anthropicUsageSchema, finishReasonOf, toOpenAiUsage } from './endings.js';
import type { Created } from './translator.js';

const messageSchema = z.looseObject({
  id: z.string(),
  model: z.string(),
  content: z.array(
    z.looseObject({
      type: z.string(),
      text: z.string().optional(),
      thinking: z.string().optional(),
      id: z.string().optional(),
      name: z.string().optional(),
      input: z.unknown().optional(),
    }),
  ),
  stop_reason: z.string().nullish(),
  usage: anthropicUsageSchema,
});

type Block = z.infer<typeof messageSchema>['content'][number];

export function messageToCompletion(body: unknown, { atSeconds }: Created): unknown {
  const { id, model, content, stop_reason: stopReason, usage } = messageSchema.parse(body);
  const said = joined(content, ({ text }) => text);
  const thought = joined(content, ({ thinking }) => thinking);
  const calls = content.filter(({ type }) => type === 'tool_use').map(toolCall);
  const message = {
    role: 'assistant',
    content: said === '' && calls.length > 0 ? null : said,
    refusal: null,
    // Not OpenAI's own field, but what compatible hosts call it.
    ...(thought === '' ? {} : { reasoning_content: thought }),
    ...(calls.length === 0 ? {} : { tool_calls: calls }),
  };
  return {
    id: `chatcmpl-${id}`,
    object: 'chat.completion',
    created: atSeconds,
    model,
    choices: [{ index: 0, message, logprobs: null, finish_reason: finishReasonOf(stopReason ?? 'end_turn') }],
    usage: toOpenAiUsage(usage),
  };
}

function joined(content: readonly Block[], pick: (block: Block) => string | undefined): string {
  return content.map((block) => pick(block) ?? '').join('');
}

function toolCall({ id = '', name = '', input }: Block) {
  return { id, type: 'function', function: { name, arguments: JSON.stringify(input ?? {}) } };
}
