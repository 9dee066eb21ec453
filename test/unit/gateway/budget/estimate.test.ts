import { expect, test } from 'vitest';

import { estimate } from '../../../../src/gateway/budget/estimate.js';
import type { Question } from '../../../../src/gateway/question.js';

const free = { quote: () => undefined, hardwareUsdPerHour: undefined };
const here = [{ upstream: 'local', model: 'tickets', local: true }];

function tokensOf(messages: unknown[]): number {
  const fields = { model: 'tickets', max_tokens: 100, messages };
  const body = Buffer.from(JSON.stringify(fields));
  const question: Question = {
    ...{ dialect: 'openai', operation: 'chat', model: 'tickets' },
    stream: false,
    fields,
    body,
  };
  return estimate(question, here, free, 500).tokens;
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
