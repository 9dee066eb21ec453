// A whole OpenAI chat completion as an Anthropic message.
import { z } from 'zod';

import { openAiUsageSchema, stopReasonOf, toAnthropicUsage } from './endings.js';
import type { Created } from './translator.js';

const completionSchema = z.looseObject({
  id: z.string().nullish(),
  model: z.string(),
  choices: z
    .array(
      z.looseObject({
        message: z.looseObject({
          content: z.string().nullish(),
          refusal: z.string().nullish(),
          tool_calls: z
            .array(
              z.looseObject({ id: z.string(), function: z.looseObject({ name: z.string(), arguments: z.string() }) }),
            )
            .nullish(),
        }),
        finish_reason: z.string().nullish(),
      }),
    )
    .min(1),
  usage: openAiUsageSchema.nullish(),
});

type Choice = z.infer<typeof completionSchema>['choices'][number];

export function completionToMessage(body: unknown, created: Created): unknown {
  const { id, model, choices, usage } = completionSchema.parse(body);
  const [choice] = choices;
  const refused = typeof choice?.message.refusal === 'string';
  return {
    id: `msg_${id ?? created.id}`,
    type: 'message',
    role: 'assistant',
    model,
    content: choice ? contentOf(choice) : [],
    stop_reason: refused ? 'refusal' : stopReasonOf(choice?.finish_reason ?? 'stop'),
    stop_sequence: null,
    usage: toAnthropicUsage(usage),
  };
}

function contentOf({ message, finish_reason: finishReason }: Choice): unknown[] {
  const said = message.content ?? message.refusal ?? '';
  const calls = (message.tool_calls ?? []).flatMap(({ id, function: { name, arguments: written } }) => {
    const input = inputOf(written);
    // Cut off by the limit: the reason says so, half a call is no call.
    if (input === undefined && finishReason === 'length') return [];
    if (input === undefined) throw new SyntaxError('The arguments of a tool call are not JSON.');
    return [{ type: 'tool_use', id, name, input }];
  });
  return [...(said === '' ? [] : [{ type: 'text', text: said }]), ...calls];
}

function inputOf(written: string): unknown {
  if (written.trim() === '') return {};
  try {
    return JSON.parse(written) as unknown;
  } catch {
    return undefined;
  }
}
