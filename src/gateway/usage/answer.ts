// What an answer says of itself: tokens and how it ended. A small one is parsed; of a large one (embeddings) only its end is
// read, where every provider puts the usage.
import type { Usage } from '../exchange.js';
import { isFields, readUsage } from './counts.js';

export type AnswerFacts = { usage?: Usage; finishReason?: string };

/** Parsing costs about 5 µs up to here. */
const parsedWholeBytes = 16 * 1024;
/** Above this an answer whose usage is not at its end is not worth the time that parsing would take from all others. */
const parsedAtAllBytes = 1024 * 1024;
const endBytes = 16 * 1024;

export function readAnswer(body: Buffer): AnswerFacts {
  if (body.length <= parsedWholeBytes) return factsOf(parseJson(body.toString('utf8')));
  const end = body.toString('utf8', body.length - endBytes);
  const usage = readUsage(topLevelObject(end, 'usage'));
  if (usage) return { usage, ...finishIn(end) };
  return body.length <= parsedAtAllBytes ? factsOf(parseJson(body.toString('utf8'))) : {};
}

/** Of an answer, or of one event of a stream, in any dialect. */
export function factsOf(value: unknown): AnswerFacts {
  if (!isFields(value)) return {};
  const usage = readUsage(value['usage']);
  const finishReason = finishReasonOf(value);
  return { ...(usage === undefined ? {} : { usage }), ...(finishReason === undefined ? {} : { finishReason }) };
}

export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/**
 * The last object under a key, when nothing after it belongs to anything but the outermost object. Quotes inside of texts are
 * escaped in JSON, so `"usage"` is never a word that a model said.
 */
export function topLevelObject(end: string, key: string, levels = 1): unknown {
  const at = end.lastIndexOf(`"${key}"`);
  const from = at === -1 ? -1 : end.indexOf('{', at);
  if (from === -1 || !/^\s*:\s*$/.test(end.slice(at + key.length + 2, from))) return undefined;
  const to = closingBrace(end, from);
  return to !== -1 && levelsClosed(end, to + 1) === levels ? parseJson(end.slice(from, to + 1)) : undefined;
}

function finishReasonOf(value: Record<string, unknown>): string | undefined {
  const { choices, stop_reason: stopReason, status, incomplete_details: details } = value;
  if (typeof stopReason === 'string') return stopReason;
  if (Array.isArray(choices)) {
    const choice: unknown = choices.find((one) => isFields(one) && typeof one['finish_reason'] === 'string');
    return isFields(choice) ? String(choice['finish_reason']) : undefined;
  }
  if (isFields(details) && typeof details['reason'] === 'string') return details['reason'];
  return value['object'] === 'response' && typeof status === 'string' ? status : undefined;
}

function finishIn(end: string): AnswerFacts {
  const found = [...end.matchAll(/"(?:finish_reason|stop_reason)"\s*:\s*"(\w{1,40})"/g)].at(-1)?.[1];
  return found === undefined ? {} : { finishReason: found };
}

function closingBrace(text: string, from: number): number {
  let depth = 0;
  for (let at = from; at < text.length; at += 1) {
    const letter = text[at];
    if (letter === '"') at = endOfText(text, at);
    else if (letter === '{' || letter === '[') depth += 1;
    else if (letter === '}' || letter === ']') depth -= 1;
    if (depth === 0) return at;
  }
  return -1;
}

/** How many levels the rest closes; -1 when it opens another one at the end. */
function levelsClosed(text: string, from: number): number {
  let depth = 0;
  let deepest = 0;
  for (let at = from; at < text.length; at += 1) {
    const letter = text[at];
    if (letter === '"') at = endOfText(text, at);
    else if (letter === '{' || letter === '[') depth += 1;
    else if (letter === '}' || letter === ']') depth -= 1;
    deepest = Math.min(deepest, depth);
  }
  return depth === deepest ? -depth : -1;
}

function endOfText(text: string, from: number): number {
  for (let at = from + 1; at < text.length; at += 1) {
    if (text[at] === '\\') at += 1;
    else if (text[at] === '"') return at;
  }
  return text.length;
}
