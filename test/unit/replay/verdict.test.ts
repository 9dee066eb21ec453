import { expect, test } from 'vitest';

import type { Lock } from '../../../src/recipe/lock.js';
import type { TensorDistance } from '../../../src/replay/tensors.js';
import { compareResults } from '../../../src/replay/verdict.js';

function results(changes: Partial<Lock['results']> = {}): Lock['results'] {
  return {
    run: 'tickets-1',
    weights: {},
    adapter_sha256: 'a'.repeat(64),
    steps: 2,
    tokens: 10,
    duration_ms: 5,
    final_loss: 2,
    scores: { 'held_out/tuned/loss': 0.5 },
    loss_curve: [
      [1, 2.5],
      [2, 1.5],
    ],
    ...changes,
  };
}

const apart = (difference: number, cosine: number): TensorDistance => ({
  tensors: 2,
  unlike: [],
  largest: { tensor: 'lora_B', difference },
  least: { tensor: 'lora_A', cosine },
});
const other = { adapter_sha256: 'b'.repeat(64) };

test('the same bytes are identical', () => {
  expect(compareResults(results(), results(), null, 0.01)).toMatchObject({ verdict: 'identical', reasons: [] });
});

test('other bytes close by are equivalent, and how close is told', () => {
  const found = compareResults(results(), results(other), apart(0.001, 0.9999), 0.01);
  expect(found.verdict).toBe('equivalent');
  expect(found.reasons).toEqual(['largest difference 0.001 (lora_B), least cosine 0.999900']);
});

test.each([
  ['a tensor that is too far', results(other), apart(0.02, 1), 'lora_B differs by 0.02'],
  ['a tensor that points another way', results(other), apart(0.001, 0.9), 'lora_A points another way'],
  [
    'a score',
    results({ ...other, scores: { 'held_out/tuned/loss': 0.6 } }),
    apart(0, 1),
    'held_out/tuned/loss was 0.5',
  ],
  ['a score that is missing', results({ ...other, scores: {} }), apart(0, 1), 'held_out/tuned/loss was 0.5'],
  [
    'a loss on the way',
    results({
      ...other,
      loss_curve: [
        [1, 2.5],
        [2, 1.6],
      ],
    }),
    apart(0, 1),
    'the loss at step 2',
  ],
  ['other steps', results({ ...other, loss_curve: [[1, 2.5]] }), apart(0, 1), 'the loss curves have different steps'],
  ['one step more', results({ loss_curve: [...results().loss_curve, [3, 1]] }), null, 'different steps, first step 3'],
])('%s makes it different', (_what, replayed, tensors, reason) => {
  const found = compareResults(results(), replayed, tensors, 0.01);
  expect(found.verdict).toBe('different');
  expect(found.reasons.join()).toContain(reason);
});

test('without the weights of the lock the rest is compared, and that is said', () => {
  const found = compareResults(results(), results(other), null, 0.01);
  expect(found).toMatchObject({ verdict: 'equivalent', reasons: [expect.stringContaining('not on this machine')] });
});
