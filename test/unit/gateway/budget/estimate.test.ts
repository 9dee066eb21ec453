import { expect, test } from 'vitest';

import { estimate } from '../../../../src/gateway/budget/estimate.js';
import type { Operation } from '../../../../src/gateway/exchange.js';
import type { Question } from '../../../../src/gateway/question.js';
import type { Reachable } from '../../../../src/gateway/routing.js';

const free = { quote: () => undefined, hardwareUsdPerHour: undefined };
const priced = { ...free, hardwareUsdPerHour: 3.6 };
const here = [{ upstream: 'local', model: 'tickets', local: true }];

function estimateOf(
  fields: object,
  targets: readonly Reachable[] = here,
  operation: Operation = 'chat',
  pricing: typeof priced | typeof free = free,
) {
  const body = Buffer.from(JSON.stringify(fields));
  const question: Question = {
    ...{ dialect: 'openai', operation, model: 'tickets' },
    stream: false,
    fields: { ...fields },
    body,
  };
  return estimate(question, targets, pricing, 4096);
}

function tokensOf(messages: unknown[]): number {
  return estimateOf({ model: 'tickets', max_tokens: 100, messages }).tokens;
}

const picture = { type: 'image_url', image_url: { url: `data:image/png;base64,${'A'.repeat(400_000)}` } };
const text = { type: 'text', text: 'What is on it?' };

test('a text counts by its bytes, also one that speaks of an image', () => {
  const tokens = tokensOf([{ role: 'user', content: `an image ${'x'.repeat(10_000)}` }]);
  expect(tokens).toBeGreaterThan(5_000 + 100);
  expect(tokens).toBeLessThan(5_200 + 100);
});

test('a picture counts as one, whatever its bytes', () => {
  const one = tokensOf([{ role: 'user', content: [text, picture] }]);
  expect(one).toBeGreaterThan(6_000 + 100);
  expect(one).toBeLessThan(6_200 + 100);
  const two = tokensOf([
    { role: 'user', content: 'Look.' },
    { role: 'user', content: [text, picture, picture] },
  ]);
  expect(two - one).toBeGreaterThanOrEqual(6_000);
  expect(two - one).toBeLessThan(6_200);
});

const hello = { model: 'tickets', messages: [{ role: 'user', content: 'Hello' }] };
const small = { upstream: 'local', model: 'tickets', local: true, windowTokens: 1024 };

test("without a limit of its own an answer is at most what the model server's window leaves room for", () => {
  expect(estimateOf(hello).tokens).toBeGreaterThan(4096);
  expect(estimateOf(hello, [small])).toMatchObject({ tokens: 1024, rateTokens: 1024 });
  expect(estimateOf({ ...hello, n: 3 }, [small]).tokens).toBe(3 * 1024);
  expect(estimateOf({ ...hello, max_tokens: 10 }, [small]).tokens).toBeLessThan(60);
});

test('each prompt of a list has answers of its own; a list of numbers is one prompt', () => {
  const tokensFor = (prompt: unknown, more = {}) =>
    estimateOf({ model: 'tickets', max_tokens: 1_000, prompt, ...more }, here, 'completions').tokens;
  expect(tokensFor(['Hello', 'Good bye'])).toBeGreaterThanOrEqual(2_000);
  expect(tokensFor([[1, 2], [3]], { n: 2 })).toBeGreaterThanOrEqual(4_000);
  for (const prompt of ['Hello', ['Hello'], [1, 2, 3], []]) expect(tokensFor(prompt)).toBeLessThan(1_100);
});

test('the widest of the models that a request may reach counts, and one whose window is not known has none', () => {
  expect(estimateOf(hello, [small, { ...small, windowTokens: 2048 }]).tokens).toBe(2048);
  expect(estimateOf(hello, [small, ...here]).tokens).toBeGreaterThan(4096);
});

test('what takes many prompts at once may use more than one window', () => {
  const prompts = { model: 'tickets', prompt: Array(40).fill('x'.repeat(100)) as string[] };
  expect(estimateOf(prompts, [small], 'completions').tokens).toBeGreaterThan(4096);
});

test("a model on a machine that has a price is promised a slow machine's time for the answer, a minute at most", () => {
  const secondsOf = (max_tokens: number): number =>
    estimateOf({ ...hello, max_tokens }, here, 'chat', priced).nanoUsd / 1e6;
  expect(secondsOf(1)).toBeGreaterThan(1.1);
  expect(secondsOf(1)).toBeLessThan(1.3);
  expect(secondsOf(100) - secondsOf(1)).toBeCloseTo(9.9, 1);
  expect(secondsOf(100_000)).toBe(60);
});
