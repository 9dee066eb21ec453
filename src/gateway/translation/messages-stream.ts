// Anthropic's named events as OpenAI's chat chunks. https://docs.anthropic.com/en/docs/build-with-claude/streaming
import { z } from 'zod';

import type { Passage } from '../stages.js';
import { anthropicUsageSchema, finishReasonOf, toOpenAiUsage, type AnthropicUsage } from './endings.js';
import { openAiEvent, translateEvents } from './events.js';
import type { Created } from './translator.js';

const eventSchema = z.discriminatedUnion('type', [
  z.looseObject({
    type: z.literal('message_start'),
    message: z.looseObject({ id: z.string(), model: z.string(), usage: anthropicUsageSchema }),
  }),
  z.looseObject({
    type: z.literal('content_block_start'),
    index: z.number(),
    content_block: z.looseObject({ type: z.string(), id: z.string().optional(), name: z.string().optional() }),
  }),
  z.looseObject({
    type: z.literal('content_block_delta'),
    index: z.number(),
    delta: z.looseObject({
      type: z.string(),
      text: z.string().optional(),
      partial_json: z.string().optional(),
      thinking: z.string().optional(),
    }),
  }),
  z.looseObject({ type: z.literal('content_block_stop'), index: z.number() }),
  z.looseObject({
    type: z.literal('message_delta'),
    delta: z.looseObject({ stop_reason: z.string().nullish() }),
    usage: anthropicUsageSchema.nullish(),
  }),
  z.looseObject({ type: z.literal('message_stop') }),
  z.looseObject({
    type: z.literal('error'),
    error: z.looseObject({ type: z.string(), message: z.string() }),
  }),
]);

type Event = z.infer<typeof eventSchema>;
type Tool = { index: number; hasArguments: boolean };
type State = { id: string; model: string; usage: AnthropicUsage; tools: Map<number, Tool> };

export function messagesStreamToChat(asked: Readonly<Record<string, unknown>>, { atSeconds }: Created): Passage {
  const state: State = { id: '', model: '', usage: {}, tools: new Map() };
  const options = asked['stream_options'] as { include_usage?: boolean } | null | undefined;
  const chunk = (rest: object): string =>
    openAiEvent({ id: state.id, object: 'chat.completion.chunk', created: atSeconds, model: state.model, ...rest });
  const delta = (change: object, finishReason: string | null = null): string =>
    chunk({ choices: [{ index: 0, delta: change, logprobs: null, finish_reason: finishReason }] });
  const lastEvents = (): string => {
    const usage = options?.include_usage === true ? chunk({ choices: [], usage: toOpenAiUsage(state.usage) }) : '';
    return `${usage}data: [DONE]\n\n`;
  };
  return translateEvents({
    event: (text) => {
      // Pings, and what a newer version adds, say nothing that a chat chunk could.
      const event = eventSchema.safeParse(JSON.parse(text)).data;
      return event === undefined ? '' : chunksOf(event, state, delta, lastEvents);
    },
    end: () => '',
  });
}

function chunksOf(
  event: Event,
  state: State,
  delta: (change: object, finishReason?: string) => string,
  lastEvents: () => string,
): string {
  switch (event.type) {
    case 'message_start':
      state.id = `chatcmpl-${event.message.id}`;
      state.model = event.message.model;
      state.usage = event.message.usage;
      return delta({ role: 'assistant', content: '' });
    case 'content_block_start':
      return event.content_block.type === 'tool_use' ? delta(startTool(event, state)) : '';
    case 'content_block_delta':
      return contentDelta(event, state, delta);
    case 'content_block_stop': {
      const tool = state.tools.get(event.index);
      // Of a tool without parameters nothing came; OpenAI's clients parse what they got.
      return tool && !tool.hasArguments ? delta(argumentsDelta(tool, '{}')) : '';
    }
    case 'message_delta':
      state.usage = { ...state.usage, ...present(event.usage ?? {}) };
      return delta({}, finishReasonOf(event.delta.stop_reason ?? 'end_turn'));
    case 'message_stop':
      return lastEvents();
    case 'error':
      return openAiEvent({
        error: { message: event.error.message, type: 'server_error', param: null, code: event.error.type },
      });
  }
}

function startTool(event: Extract<Event, { type: 'content_block_start' }>, { tools }: State): object {
  const tool = { index: tools.size, hasArguments: false };
  tools.set(event.index, tool);
  const { id, name } = event.content_block;
  return { tool_calls: [{ index: tool.index, id, type: 'function', function: { name, arguments: '' } }] };
}

function contentDelta(
  { index, delta: { text, partial_json: part, thinking } }: Extract<Event, { type: 'content_block_delta' }>,
  { tools }: State,
  delta: (change: object) => string,
): string {
  if (text !== undefined) return delta({ content: text });
  if (thinking !== undefined) return delta({ reasoning_content: thinking });
  const tool = tools.get(index);
  if (!tool || part === undefined || part === '') return '';
  tool.hasArguments = true;
  return delta(argumentsDelta(tool, part));
}

function argumentsDelta({ index }: Tool, part: string): object {
  return { tool_calls: [{ index, function: { arguments: part } }] };
}

/** Cumulative counts; one that is missing or null leaves the earlier one. */
function present(usage: AnthropicUsage): AnthropicUsage {
  return Object.fromEntries(Object.entries(usage).filter(([, count]) => count !== null && count !== undefined));
}
