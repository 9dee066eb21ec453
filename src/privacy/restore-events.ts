// Placeholders in the events of a streamed answer, where one may be spread over several: OpenAI chat, completions and
// responses, Anthropic messages. Text of the same choice, block or item is one text; its held rest goes out before its end.
import { z } from 'zod';

import { openPieceRestorer, type Originals, type PieceRestorer } from './restore-text.js';
import { restoreValue } from './restore-value.js';

type Json = Record<string, unknown>;
/** `name` is the event's own, where it has one. */
export type StreamEvent = { name: string | undefined; data: string };

export type EventRestorer = {
  push: (event: StreamEvent) => StreamEvent[];
  /** The stream is over: what is still held back. */
  end: () => StreamEvent[];
};

/** One text that comes in pieces. */
type Channel = { restorer: PieceRestorer; eventOf: (text: string) => { name: string | undefined; body: Json } };

const chunkSchema = z.looseObject({ choices: z.array(z.looseObject({ index: z.number().default(0) })) });
const typedSchema = z.looseObject({ type: z.string() });

export function openEventRestorer(originals: Originals): EventRestorer {
  const channels = new Map<string, Channel>();
  /** The Responses API numbers its events; those that we add move the numbers of all that follow. */
  let added = 0;

  const restorerOf = (path: string, isJson: boolean | undefined, eventOf: Channel['eventOf']): PieceRestorer => {
    const restorer = channels.get(path)?.restorer ?? openPieceRestorer(originals, isJson);
    channels.set(path, { restorer, eventOf });
    return restorer;
  };
  const flush = (prefix: string, next: Json): StreamEvent[] => {
    const ending = [...channels].filter(([path]) => path.startsWith(prefix));
    return ending.flatMap(([path, { restorer, eventOf }]) => {
      channels.delete(path);
      const rest = restorer.rest();
      if (rest === '') return [];
      const { name, body } = eventOf(rest);
      const numbered = renumbered({ ...body, ...pick(next, 'sequence_number') }, added);
      added += 1;
      return [{ name, data: JSON.stringify(numbered) }];
    });
  };
  const push = (event: StreamEvent): StreamEvent[] => {
    if (event.data === '[DONE]') return [...flush('', {}), event];
    const body = parse(event.data);
    if (body === undefined) return [event];
    const { before, after } = restoreEvent(event.name, body, { restorerOf, flush, originals });
    return [...before, { name: event.name, data: JSON.stringify(renumbered(after, added)) }];
  };
  return { push, end: () => flush('', {}) };
}

type Tools = {
  restorerOf: (path: string, isJson: boolean | undefined, eventOf: Channel['eventOf']) => PieceRestorer;
  /** @param next the event before which the rest goes out */
  flush: (prefix: string, next: Json) => StreamEvent[];
  originals: Originals;
};
type Restored = { before: StreamEvent[]; after: Json };

function restoreEvent(name: string | undefined, body: Json, tools: Tools): Restored {
  const chunk = chunkSchema.safeParse(body);
  if (chunk.success) return restoreChunk(chunk.data, tools);
  const typed = typedSchema.safeParse(body);
  const type = typed.data?.type ?? '';
  if (type.startsWith('content_block_')) return restoreBlock(name, type, body, tools);
  if (type.startsWith('response.')) return restoreResponse(name, type, body, tools);
  return { before: [], after: restoreValue(body, tools.originals) as Json };
}

/** OpenAI chat and completions. */
function restoreChunk(chunk: z.infer<typeof chunkSchema>, tools: Tools): Restored {
  const before: StreamEvent[] = [];
  const choices = chunk.choices.map((choice) => {
    const root = `choice ${choice.index} `;
    const ends = typeof choice['finish_reason'] === 'string';
    const written = new Set<string>();
    const restored = restorePieces(choice, [], (piece, path) => {
      const place = root + path.join(' ');
      const isJson = path.at(-1) === 'arguments' ? true : undefined;
      const restorer = tools.restorerOf(place, isJson, (text) => ({
        name: undefined,
        body: { ...chunk, usage: null, choices: [{ index: choice.index, ...nested(path, text), finish_reason: null }] },
      }));
      written.add(place);
      return ends ? restorer.push(piece) + restorer.rest() : restorer.push(piece);
    });
    if (ends) before.push(...tools.flush(root, {}));
    return restored;
  });
  return { before, after: { ...chunk, choices } };
}

const exactKeys = new Set(
  'id index type role name finish_reason stop_reason logprobs obfuscation signature'.split(' '),
);

/** Calls `restore` for each string of a choice; items of lists are known by their own `index`, as tool calls are. */
function restorePieces(part: Json, path: readonly string[], restore: (piece: string, path: string[]) => string): Json {
  const entries = Object.entries(part).map(([key, value]): [string, unknown] => {
    if (exactKeys.has(key)) return [key, value];
    const at = [...path, key];
    if (typeof value === 'string') return [key, restore(value, at)];
    if (Array.isArray(value)) {
      return [
        key,
        value.map((item: unknown, position) =>
          isJson(item) ? restorePieces(item, [...at, indexOf(item, position)], restore) : item,
        ),
      ];
    }
    return [key, isJson(value) ? restorePieces(value, at, restore) : value];
  });
  return Object.fromEntries(entries);
}

/** `['delta', 'tool_calls', '0', 'function', 'arguments']` -> the objects and lists of that path around the text. */
function nested(path: readonly string[], text: string): Json {
  const [key = '', next, ...rest] = path;
  if (next === undefined) return { [key]: text };
  if (/^\d+$/.test(next)) return { [key]: [{ index: Number(next), ...nested(rest, text) }] };
  return { [key]: nested([next, ...rest], text) };
}

const blockField: Record<string, string> = { text_delta: 'text', input_json_delta: 'partial_json' };

/** Anthropic messages. Thinking stays as it is: it is signed, and goes back to the provider unchanged. */
function restoreBlock(name: string | undefined, type: string, body: Json, tools: Tools): Restored {
  const place = `block ${String(body['index'])} `;
  if (type === 'content_block_stop') return { before: tools.flush(place, {}), after: body };
  const delta = isJson(body['delta']) ? body['delta'] : {};
  const field = blockField[String(delta['type'])];
  const piece = field === undefined ? undefined : delta[field];
  if (field === undefined || typeof piece !== 'string') {
    return { before: [], after: restoreValue(body, tools.originals) as Json };
  }
  const withText = (text: string): Json => ({ ...body, delta: { ...delta, [field]: text } });
  const isJsonText = field === 'partial_json' ? true : undefined;
  const restorer = tools.restorerOf(place + field, isJsonText, (text) => ({ name, body: withText(text) }));
  return { before: [], after: withText(restorer.push(piece)) };
}

/** OpenAI responses: what came in `.delta` events is said once more, as a whole, in the `.done` event. */
function restoreResponse(name: string | undefined, type: string, body: Json, tools: Tools): Restored {
  const part = ['content_index', 'summary_index']
    .map((key) => (typeof body[key] === 'number' ? body[key] : ''))
    .join(' ');
  const place = `${type.replace(/\.(?:delta|done)$/, '')} ${String(body['output_index'])} ${part} `;
  const piece = body['delta'];
  if (!type.endsWith('.delta') || typeof piece !== 'string') {
    const before = type.endsWith('.done') ? tools.flush(place, body) : isEnd(type) ? tools.flush('', body) : [];
    return { before, after: restoreValue(body, tools.originals) as Json };
  }
  const isJsonText = type.includes('arguments') ? true : undefined;
  const restorer = tools.restorerOf(place, isJsonText, (text) => ({ name, body: { ...body, delta: text } }));
  return { before: [], after: { ...body, delta: restorer.push(piece) } };
}

function indexOf(item: Json, position: number): string {
  return String(typeof item['index'] === 'number' ? item['index'] : position);
}

function isEnd(type: string): boolean {
  return ['response.completed', 'response.incomplete', 'response.failed'].includes(type);
}

function renumbered(body: Json, added: number): Json {
  const number = body['sequence_number'];
  return added > 0 && typeof number === 'number' ? { ...body, sequence_number: number + added } : body;
}

function pick(body: Json, key: string): Json {
  return key in body ? { [key]: body[key] } : {};
}

function parse(text: string): Json | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isJson(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isJson(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
