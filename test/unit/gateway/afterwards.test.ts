import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { openAfterwards } from '../../../src/gateway/afterwards.js';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const opened = () => {
  const taken: number[] = [];
  return { taken, ...openAfterwards((item: number) => void taken.push(item)) };
};

test('what is added waits a moment, and is taken in its order', () => {
  const { taken, add } = opened();
  add(1);
  add(2);
  expect(taken).toEqual([]);
  vi.advanceTimersByTime(5);
  expect(taken).toEqual([1, 2]);
  add(3);
  vi.advanceTimersByTime(5);
  expect(taken).toEqual([1, 2, 3]);
});

test('many are taken at once, without waiting', () => {
  const { taken, add } = opened();
  for (let item = 0; item < 40; item += 1) add(item);
  expect(taken).toHaveLength(32);
  vi.advanceTimersByTime(5);
  expect(taken).toHaveLength(40);
});

test('who has to know takes it now, and it is taken once', () => {
  const { taken, add, flush } = opened();
  add(1);
  flush();
  flush();
  vi.advanceTimersByTime(5);
  expect(taken).toEqual([1]);
});
