// OpenAI's chat chunks as Anthropic's named events. Anthropic's blocks come one after the other, OpenAI's tool calls may take
// turns: one block streams, the others wait for its end.
import { z } from 'zod';

import type { Passage } from '../stages.js';
import { openAiUsageSchema, stopReasonOf, toAnthropicUsage, type OpenAiUsage } from './endings.js';
import { anthropicEvent, translateEvents } from './events.js';
import type { Created } from './translator.js';

const toolDelta = z.looseObject({
  index: z.number(),
  id: z.string().nullish(),
  function: z.looseObject({ name: z.string().nullish(), arguments: z.string().nullish() }).nullish(),
});

const chunkSchema = z.looseObject({
  id: z.string().nullish(),
  model: z.string().nullish(),
  choices: z
    .array(
      z.looseObject({
        delta: z.looseObject({
          content: z.string().nullish(),
          refusal: z.string().nullish(),
          tool_calls: z.array(toolDelta).nullish(),
        }),
        finish_reason: z.string().nullish(),
      }),
    )
    .nullish(),
  usage: openAiUsageSchema.nullish(),
  error: z.union([z.string(), z.looseObject({ message: z.string().optional() })]).nullish(),
});

type Chunk = z.infer<typeof chunkSchema>;
type ToolDelta = z.infer<typeof toolDelta>;

/** `key`: a tool call's index, or a run of text. */
type Block = { key: number | 'text'; start: object; parts: string[] };

type State = {
  started: boolean;
  ended: boolean;
  failed: boolean;
  refused: boolean;
  /** Blocks that are written already, with the open one. */
  blocks: number;
  open: Block | undefined;
  waiting: Block[];
  finishReason: string | undefined;
  usage: OpenAiUsage | undefined;
};

export function chatStreamToMessages(_asked: Readonly<Record<string, unknown>>, created: Created): Passage {
  const state: State = {
    started: false,
    ended: false,
    failed: false,
    refused: false,
    blocks: 0,
    open: undefined,
    waiting: [],
    finishReason: undefined,
    usage: undefined,
  };
  return translateEvents({
    event: (text) => {
      if (text === '[DONE]') return lastEvents(state);
      const chunk = chunkSchema.parse(JSON.parse(text));
      return chunk.error == null ? eventsOf(chunk, state, created) : errorOf(chunk.error, state);
    },
    end: () => (state.failed ? '' : lastEvents(state)),
  });
}

function eventsOf(chunk: Chunk, state: State, created: Created): string {
  const first = state.started ? '' : messageStart(chunk, created);
  state.started = true;
  state.usage = chunk.usage ?? state.usage;
  const [choice] = chunk.choices ?? [];
  if (!choice) return first;
  state.finishReason = choice.finish_reason ?? state.finishReason;
  const { content, refusal, tool_calls: calls } = choice.delta;
  state.refused ||= typeof refusal === 'string';
  const words = content || refusal || '';
  const said = words === '' ? '' : add(state, 'text', { type: 'text', text: '' }, words);
  return first + said + (calls ?? []).map((call) => addTool(state, call)).join('');
}

function messageStart({ id, model }: Chunk, created: Created): string {
  const head = { id: `msg_${id ?? created.id}`, type: 'message', role: 'assistant', model: model ?? '', content: [] };
  const message = { ...head, stop_reason: null, stop_sequence: null, usage: toAnthropicUsage(undefined) };
  return anthropicEvent({ type: 'message_start', message });
}

function addTool(state: State, { index, id, function: called }: ToolDelta): string {
  const start = { type: 'tool_use', id: id ?? '', name: called?.name ?? '', input: {} };
  return add(state, index, start, called?.arguments ?? '');
}

/** Text that is over makes room for the first tool; every other block waits until the open one is through. */
function add(state: State, key: Block['key'], start: object, part: string): string {
  const { open } = state;
  const waiting = state.waiting.findLast((block) => block.key === key);
  if (open?.key === key && !waiting) return deltaOf(state, key, part);
  if (waiting) {
    waiting.parts.push(part);
    return '';
  }
  const block = { key, start, parts: [part] };
  if (open === undefined || (open.key === 'text' && state.waiting.length === 0))
    return close(state) + openBlock(state, block);
  state.waiting.push(block);
  return '';
}

function openBlock(state: State, block: Block): string {
  state.open = block;
  state.blocks += 1;
  const head = anthropicEvent({ type: 'content_block_start', index: state.blocks - 1, content_block: block.start });
  return head + block.parts.map((part) => deltaOf(state, block.key, part)).join('');
}

function deltaOf(state: State, key: Block['key'], part: string): string {
  if (part === '') return '';
  const delta = key === 'text' ? { type: 'text_delta', text: part } : { type: 'input_json_delta', partial_json: part };
  return anthropicEvent({ type: 'content_block_delta', index: state.blocks - 1, delta });
}

function close(state: State): string {
  if (state.open === undefined) return '';
  state.open = undefined;
  return anthropicEvent({ type: 'content_block_stop', index: state.blocks - 1 });
}

function lastEvents(state: State): string {
  if (state.ended || !state.started) return '';
  state.ended = true;
  const rest = state.waiting.map((block) => close(state) + openBlock(state, block)).join('') + close(state);
  const stopReason = state.refused ? 'refusal' : stopReasonOf(state.finishReason ?? 'stop');
  const delta = { stop_reason: stopReason, stop_sequence: null };
  return (
    rest +
    anthropicEvent({ type: 'message_delta', delta, usage: toAnthropicUsage(state.usage) }) +
    anthropicEvent({ type: 'message_stop' })
  );
}

function errorOf(error: NonNullable<Chunk['error']>, state: State): string {
  state.failed = true;
  const message = typeof error === 'string' ? error : (error.message ?? 'The upstream broke off.');
  return anthropicEvent({ type: 'error', error: { type: 'api_error', message } });
}
