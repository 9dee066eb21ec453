// An answer as one JSON value of what was said, also where it came as a stream; in the client's dialect. Pure. Only named parts
// are kept: log probabilities, say, spell out in tokens what redaction takes out of the text.
import { createParser } from 'eventsource-parser';

import { parseJson } from '../usage/answer.js';
import { isFields } from '../usage/counts.js';
import type { Conversing } from './tap.js';

type Fields = Record<string, unknown>;

/** @returns undefined for what is no such answer */
export function wholeAnswer(operation: Conversing, body: string, streamed: boolean): Fields | undefined {
  const whole = streamed ? joined(operation, eventsOf(body)) : parseJson(body);
  return isFields(whole) ? keptParts(operation, whole) : undefined;
}

function keptParts(operation: Conversing, whole: Fields): Fields | undefined {
  switch (operation) {
    case 'chat':
    case 'completions':
      return listIn(whole, 'choices', (choice) => ({
        ...pick(choice, 'index finish_reason text'),
        ...(isFields(choice['message']) ? { message: pick(choice['message'], messageParts) } : {}),
      }));
    case 'messages': {
      const blocks = listIn(whole, 'content', (block) => picked(block, blockParts));
      return blocks && { ...pick(whole, 'role stop_reason'), ...blocks };
    }
    case 'responses':
      return listIn(whole, 'output', (item) => picked(item, itemParts));
  }
}

const messageParts = 'role content refusal reasoning_content tool_calls';
/** Of a block of Anthropic's, and of what stands within it. */
const blockParts = 'type text thinking id name input tool_use_id content is_error';
/** Of an item of OpenAI's Responses, and of what stands within it. */
const itemParts = 'type id role status text refusal name call_id arguments output content summary';

function listIn(whole: Fields, key: string, keep: (item: Fields) => Fields): Fields | undefined {
  const list = whole[key];
  return Array.isArray(list) ? { [key]: (list as unknown[]).filter(isFields).map(keep) } : undefined;
}

function joined(operation: Conversing, events: readonly Fields[]): Fields | undefined {
  switch (operation) {
    case 'chat':
    case 'completions':
      return joinedChoices(events);
    case 'messages':
      return joinedBlocks(events);
    case 'responses': {
      const last = events.findLast(({ type }) => type === 'response.completed' || type === 'response.incomplete');
      return isFields(last?.['response']) ? last['response'] : undefined;
    }
  }
}

function eventsOf(text: string): Fields[] {
  const events: Fields[] = [];
  const parser = createParser({
    onEvent: ({ data: said }) => {
      const event = parseJson(said);
      if (isFields(event)) events.push(event);
    },
  });
  parser.feed(text);
  return events;
}

/** OpenAI: each chunk adds to the message of its choice. */
function joinedChoices(events: readonly Fields[]): Fields {
  const choices = new Map<unknown, Fields>();
  for (const event of events) {
    for (const piece of listOf(event['choices'])) {
      const { index = 0, delta, text, finish_reason: finishReason } = piece;
      const choice = choices.get(index) ?? { index };
      choices.set(index, choice);
      if (isFields(delta)) choice['message'] = added(choice['message'], delta);
      if (typeof text === 'string') choice['text'] = `${textOr(choice['text'])}${text}`;
      if (typeof finishReason === 'string') choice['finish_reason'] = finishReason;
    }
  }
  return { choices: [...choices.values()] };
}

/** Said once, or again and again the same. */
const constant = new Set('role id type name index'.split(' '));

function added(value: unknown, delta: Fields): Fields {
  const whole: Fields = isFields(value) ? value : {};
  for (const [key, piece] of Object.entries(delta)) {
    if (piece === null) continue;
    if (typeof piece === 'string' && !constant.has(key)) whole[key] = `${textOr(whole[key])}${piece}`;
    else if (Array.isArray(piece)) whole[key] = addedItems(whole[key], listOf(piece));
    else whole[key] = isFields(piece) ? added(whole[key], piece) : piece;
  }
  return whole;
}

/** Items know their place by a number of their own, which is whatever a server sends. */
function addedItems(value: unknown, pieces: readonly Fields[]): Fields[] {
  const items = Array.isArray(value) ? (value as Fields[]) : [];
  for (const piece of pieces) {
    const at = items.findIndex((item) => 'index' in piece && item['index'] === piece['index']);
    if (at === -1) items.push(added(undefined, piece));
    else items[at] = added(items[at], piece);
  }
  return items;
}

/** Anthropic: blocks begin, grow and end. */
function joinedBlocks(events: readonly Fields[]): Fields {
  const blocks = new Map<unknown, Fields>();
  let message: Fields = {};
  for (const event of events) {
    const { type, index, delta } = event;
    if (type === 'message_start' && isFields(event['message'])) message = event['message'];
    if (type === 'content_block_start' && isFields(event['content_block'])) {
      blocks.set(index, { ...event['content_block'] });
    }
    const block = blocks.get(index);
    if (type === 'content_block_delta' && block && isFields(delta)) grow(block, delta);
    if (type === 'message_delta' && isFields(delta)) message = { ...message, ...delta };
  }
  return { ...message, content: [...blocks.values()].map(withInput) };
}

function grow(block: Fields, delta: Fields): void {
  for (const key of ['text', 'thinking', 'partial_json']) {
    if (typeof delta[key] === 'string') block[key] = `${textOr(block[key])}${delta[key]}`;
  }
}

/** The arguments of a tool come as the text of a JSON object. */
function withInput(block: Fields): Fields {
  const { partial_json: json, ...rest } = block;
  return typeof json === 'string' && json !== '' ? { ...rest, input: parseJson(json) ?? json } : rest;
}

function pick(fields: Fields, names: string): Fields {
  return Object.fromEntries(names.split(' ').flatMap((name) => (name in fields ? [[name, fields[name]]] : [])));
}

/** Also in the lists below. */
function picked(fields: Fields, names: string): Fields {
  return Object.fromEntries(
    Object.entries(pick(fields, names)).map(([name, value]) => [
      name,
      Array.isArray(value) ? value.map((item: unknown) => (isFields(item) ? picked(item, names) : item)) : value,
    ]),
  );
}

function listOf(value: unknown): Fields[] {
  return Array.isArray(value) ? value.filter(isFields) : [];
}

function textOr(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
