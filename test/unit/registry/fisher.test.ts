import { expect, test } from 'vitest';

import { fisherExact } from '../../../src/registry/fisher.js';

test("Fisher's own table, tea or milk first: four of four by chance once in 70", () => {
  expect(fisherExact({ hits: 0, of: 4 }, { hits: 4, of: 4 })).toBeCloseTo(1 / 70, 12);
  expect(fisherExact({ hits: 1, of: 4 }, { hits: 3, of: 4 })).toBeCloseTo(17 / 70, 12);
});

test('agrees with the published example of 1 of 12 against 9 of 12 (one-sided 0.001380)', () => {
  expect(fisherExact({ hits: 1, of: 12 }, { hits: 9, of: 12 })).toBeCloseTo(0.00137973, 7);
});

test('without requests, or without a hit, says nothing', () => {
  expect(fisherExact({ hits: 0, of: 0 }, { hits: 0, of: 0 })).toBe(1);
  expect(fisherExact({ hits: 0, of: 1_000 }, { hits: 0, of: 1_000 })).toBe(1);
  expect(fisherExact({ hits: 0, of: 0 }, { hits: 5, of: 5 })).toBe(1);
});

test('stays a probability for thousands of requests', () => {
  expect(fisherExact({ hits: 10, of: 1_000 }, { hits: 500, of: 1_000 })).toBeLessThan(1e-100);
  expect(fisherExact({ hits: 500, of: 1_000 }, { hits: 10, of: 1_000 })).toBeCloseTo(1, 9);
});
