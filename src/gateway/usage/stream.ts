// What a stream says of itself, seen from its first and its newest events alone: nothing is parsed while it flows. The usage
// event that we asked for and the client did not is taken out again.
import type { Usage } from '../exchange.js';
import type { Passage } from '../stages.js';
import { factsOf, parseJson, topLevelObject, type AnswerFacts } from './answer.js';
import { isFields, readUsage } from './counts.js';

export type StreamTap = Passage & {
  /** At any time, also of a stream that broke off. */
  facts: () => AnswerFacts;
  /** About one token each: an estimate of what a stream that broke off cost. */
  events: () => number;
};

/** Room for the last event of the Responses API, which repeats the whole answer before its usage. */
const newestBytes = 32 * 1024;

/** @param hideUsage whether the event that holds nothing but the usage is not for the client */
export function tapStream(hideUsage: boolean): StreamTap {
  let first: Buffer | undefined;
  const newest: Buffer[] = [];
  let heldBytes = 0;
  let totalBytes = 0;
  return {
    push: (bytes) => {
      first ??= bytes;
      newest.push(bytes);
      heldBytes += bytes.length;
      totalBytes += bytes.length;
      while (heldBytes - (newest[0]?.length ?? 0) >= newestBytes) heldBytes -= newest.shift()?.length ?? 0;
      return hideUsage ? withoutUsageEvent(bytes) : bytes;
    },
    end: () => Buffer.alloc(0),
    facts: () => streamFacts(first?.toString('utf8') ?? '', Buffer.concat(newest).toString('utf8')),
    events: () => {
      const seen = splitEvents(Buffer.concat(newest).toString('latin1')).length;
      return heldBytes === 0 ? 0 : Math.round((seen * totalBytes) / heldBytes);
    },
  };
}

/** Anthropic tells the input at the start and the output at the end; the others tell everything at the end. */
function streamFacts(first: string, newest: string): AnswerFacts {
  const facts: AnswerFacts = {};
  for (const event of splitEvents(newest).reverse()) {
    if (facts.usage && facts.finishReason) break;
    const found = eventFacts(event);
    if (!facts.usage && found.usage) facts.usage = found.usage;
    if (!facts.finishReason && found.finishReason) facts.finishReason = found.finishReason;
  }
  const start = splitEvents(first)
    .map(startUsage)
    .find((usage) => usage !== undefined);
  if (start) facts.usage = facts.usage ? joined(start, facts.usage) : start;
  return facts;
}

/** Most events hold neither: what cannot is not parsed. */
function eventFacts(event: string): AnswerFacts {
  if (!/"usage"|"finish_reason"|"stop_reason"/.test(event)) return {};
  const value = parseJson(dataOf(event));
  if (!isFields(value)) {
    // Only the end of an event that was larger than what is kept: `{"type":...,"response":{..., "usage":{...}}}`.
    const usage = readUsage(topLevelObject(event, 'usage', 2));
    return usage ? { usage } : {};
  }
  const { response, delta } = value;
  if (isFields(response)) return factsOf(response);
  const usage = readUsage(value['usage']);
  return { ...factsOf(isFields(delta) ? delta : value), ...(usage ? { usage } : {}) };
}

function startUsage(event: string): Usage | undefined {
  if (!event.includes('"message_start"')) return undefined;
  const value = parseJson(dataOf(event));
  return isFields(value) && isFields(value['message']) ? readUsage(value['message']['usage']) : undefined;
}

function joined(start: Usage, end: Usage): Usage {
  const larger = (name: keyof Usage): number => Math.max(start[name], end[name]);
  return {
    inputTokens: larger('inputTokens'),
    outputTokens: larger('outputTokens'),
    cachedInputTokens: larger('cachedInputTokens'),
    cacheWriteTokens: larger('cacheWriteTokens'),
    reasoningTokens: larger('reasoningTokens'),
  };
}

/** OpenAI's last chunk: no choices, and the usage. Azure's first one has no choices either, and stays. */
function withoutUsageEvent(bytes: Buffer): Buffer {
  if (!bytes.includes('"choices":[]') && !bytes.includes('"choices": []')) return bytes;
  const kept = splitEvents(bytes.toString('latin1')).filter((event) => {
    const value = parseJson(Buffer.from(dataOf(event), 'latin1').toString('utf8'));
    return !(
      isFields(value) &&
      Array.isArray(value['choices']) &&
      value['choices'].length === 0 &&
      isFields(value['usage'])
    );
  });
  return Buffer.from(kept.join(''), 'latin1');
}

/** Each with the empty line that ends it. */
function splitEvents(text: string): string[] {
  return text.split(/(?<=\n\r?\n)/);
}

function dataOf(event: string): string {
  return event
    .split(/\r?\n/)
    .filter((line) => line.startsWith('data:'))
    .map((line) => line.slice('data:'.length))
    .join('\n');
}
