// How much a request may cost at most, before it runs: from its body, its limit of output, and the dearest of the models that it
// may reach. Pure.
import { tokensCostUsd } from '../../cost/price.js';
import { hardwareCostUsd } from '../../cost/busy-clock.js';
import type { Pricing } from '../pricing.js';
import type { Question } from '../question.js';
import type { Reachable } from '../routing.js';
import { isFields } from '../usage/counts.js';
import { toNanoUsd } from './account.js';
import type { Estimate } from './checks.js';

/** Natural languages and code have more than two bytes a token in every tokenizer of today. */
const fewestBytesPerToken = 2;
const usualBytesPerToken = 4;
/** More than any provider counts for one picture. */
const imageTokens = 6_000;
/** A picture that is sent along is not text: its bytes say nothing about its tokens. */
const imageParts = new Set(['image', 'image_url', 'input_image']);
/** On an own machine a promise is of time: that of a slow one, but no more than a minute. What is really used is settled. */
const promisedMs = { request: 1_000, inputToken: 1, outputToken: 100, atMost: 60_000 };

/** @returns the name of a model without a known price, when money is to be reserved and there is one */
export function estimate(
  question: Question,
  targets: readonly Reachable[],
  pricing: Pricing,
  assumedOutputTokens: number,
): Estimate & { unpriced: string | undefined } {
  const text = measure(question);
  const inputTokens = Math.ceil(text.bytes / fewestBytesPerToken) + text.images * imageTokens;
  const answers = answersOf(question);
  const outputTokens = outputLimit(question, assumedOutputTokens) * answers;
  const windows = targets.map((target) => windowOf(question, target) * answers);
  const widest = targets.length === 0 ? Infinity : Math.max(...windows);
  const costs = targets.map((target, index) => {
    const window = windows[index] ?? Infinity;
    return costAtMost(target, pricing, Math.min(inputTokens, window), Math.min(outputTokens, window));
  });
  const unpriced = targets[costs.indexOf(undefined)];
  return {
    nanoUsd: toNanoUsd(Math.max(0, ...costs.map((cost) => cost ?? 0))),
    tokens: Math.min(inputTokens + outputTokens, widest),
    rateTokens: Math.min(Math.ceil(text.bytes / usualBytesPerToken) + outputTokens, widest),
    unpriced: unpriced && `${unpriced.upstream}/${unpriced.model}`,
  };
}

/** Of one prompt and one answer to it: what takes many prompts at once (embeddings, completions) may use more than one window. */
function windowOf({ operation }: Question, { windowTokens = Infinity }: Reachable): number {
  return operation === 'chat' || operation === 'messages' || operation === 'responses' ? windowTokens : Infinity;
}

/** The same question with room for one token of answer. */
export function shortestAnswer(question: Question): Question {
  const none = { max_completion_tokens: undefined, max_output_tokens: undefined };
  return { ...question, fields: { ...question.fields, ...none, max_tokens: 1 } };
}

/** A picture is one of several parts. */
function isPlainText(operation: Question['operation'], messages: unknown): boolean {
  if (operation !== 'chat' && operation !== 'messages') return false;
  return Array.isArray(messages) && messages.every((one) => isFields(one) && typeof one['content'] === 'string');
}

function costAtMost(
  target: Reachable,
  pricing: Pricing,
  inputTokens: number,
  outputTokens: number,
): number | undefined {
  const quote = pricing.quote(target.upstream, target.model);
  // The whole prompt may be written to the provider's cache, which costs more than to read it.
  const tokens = { inputTokens, outputTokens, cachedInputTokens: 0 };
  if (quote) {
    const { price } = quote;
    const fresh = tokensCostUsd(price, { ...tokens, cacheWriteTokens: 0 });
    if (price.cacheWrite === price.input) return fresh;
    return Math.max(fresh, tokensCostUsd(price, { ...tokens, cacheWriteTokens: inputTokens }));
  }
  if (!target.local) return undefined;
  const busyMs = promisedMs.request + inputTokens * promisedMs.inputToken + outputTokens * promisedMs.outputToken;
  return hardwareCostUsd(pricing.hardwareUsdPerHour ?? 0, Math.min(promisedMs.atMost, busyMs));
}

function outputLimit({ operation, fields }: Question, assumed: number): number {
  if (operation === 'embeddings' || operation === 'count_tokens') return 0;
  const limit = fields['max_completion_tokens'] ?? fields['max_output_tokens'] ?? fields['max_tokens'];
  return positive(limit) ?? assumed;
}

/** Each prompt of a list has answers of its own. A list of numbers is one prompt, in tokens. */
export function answersOf({ operation, fields }: Question): number {
  const { prompt } = fields;
  const isList = operation === 'completions' && Array.isArray(prompt) && prompt.some((one) => typeof one !== 'number');
  const prompts = isList ? prompt.length : 1;
  return prompts * Math.max(positive(fields['n']) ?? 1, positive(fields['best_of']) ?? 1);
}

function positive(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) && value > 0 ? Math.ceil(value) : undefined;
}

/** In bytes; pictures are counted. Without any, the body as it was sent is measure enough, and costs no walk through it. */
function measure({ operation, body, fields }: Question): { bytes: number; images: number } {
  const sum = { bytes: 0, images: 0 };
  if (isPlainText(operation, fields['messages']) || !body.includes('image')) return { bytes: body.length, images: 0 };
  const waiting: unknown[] = [fields];
  while (waiting.length > 0) {
    const next = waiting.pop();
    if (typeof next === 'string') sum.bytes += Buffer.byteLength(next);
    else if (typeof next === 'number' || typeof next === 'boolean') sum.bytes += 8;
    else if (Array.isArray(next)) for (const inner of next) waiting.push(inner);
    else if (isFields(next)) {
      if (imageParts.has(String(next['type']))) sum.images += 1;
      else for (const [name, inner] of Object.entries(next)) waiting.push(name, inner);
    }
  }
  return sum;
}
