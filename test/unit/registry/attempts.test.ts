import { expect, test } from 'vitest';

import {
  afterAttempt,
  afterLook,
  afterNothing,
  isDue,
  nextAttemptMs,
  type KnownAttempts,
} from '../../../src/registry/attempts.js';

const tickets = { name: 'tickets', serverId: 'v1-a' };
const none: KnownAttempts = new Map();
const told = new Set(['v1-a']);
const nobody = new Set<string>();

const dueAt = (known: KnownAttempts, nowMs: number): boolean => isDue(known.get('tickets'), nowMs);

test('what a request told of is started again at the look that finds it gone; else the person has until the next regular one', () => {
  expect(dueAt(afterLook(none, [tickets], told, 0), 0)).toBe(true);
  const seen = afterLook(none, [tickets], nobody, 0);
  // Another route's report brings a look in between.
  expect([0, 2_000, 15_000].map((nowMs) => dueAt(afterLook(seen, [tickets], nobody, nowMs), nowMs))).toEqual([
    false,
    false,
    true,
  ]);
  expect(dueAt(afterLook(seen, [tickets], told, 2_000), 2_000)).toBe(true);
});

test('one that does not come up is tried more and more seldom, and never given up', () => {
  const waits: number[] = [];
  let attempts = { tried: 0, left: 0, nextAtMs: 0 };
  for (let round = 0; round < 8; round += 1) {
    attempts = afterAttempt(attempts, 0);
    waits.push(attempts.nextAtMs / 1_000);
  }
  expect(waits).toEqual([15, 30, 60, 120, 240, 480, 600, 600]);
});

test('one that comes up and dies again is tried more and more seldom too, however many requests tell of it', () => {
  let known = none;
  const startedAtS: number[] = [];
  // Comes up at once, and dies ten seconds later; requests find it dead each second.
  for (let nowMs = 0; nowMs < 600_000; nowMs += 1_000) {
    const started = (startedAtS.at(-1) ?? -60) * 1_000;
    const gone = nowMs - started >= 10_000 ? [tickets] : [];
    known = afterLook(known, gone, told, nowMs);
    const attempts = known.get('tickets');
    if (gone.length === 0 || !attempts || !isDue(attempts, nowMs)) continue;
    startedAtS.push(nowMs / 1_000);
    known = new Map([['tickets', afterAttempt(attempts, nowMs)]]);
  }
  expect(startedAtS).toEqual([0, 15, 45, 105, 225, 465]);
});

test('one that has lived on for a while is forgotten: when it dies of something new, it is started again at once', () => {
  const once = new Map([['tickets', afterAttempt({ tried: 0, left: 0, nextAtMs: 0 }, 0)]]);
  expect(afterLook(once, [], nobody, 74_000).get('tickets')).toEqual({ tried: 1, left: 0, nextAtMs: 15_000 });
  expect(afterLook(once, [], nobody, 75_000)).toEqual(none);
  // Found gone once and back by itself: nothing is remembered of it.
  expect(afterLook(afterLook(none, [tickets], nobody, 0), [], nobody, 1)).toEqual(none);
});

test('one that Docker had not seen ended yet is seen to again soon, and its start is not put off by that', () => {
  const waits: number[] = [];
  let attempts = { tried: 0, left: 0, nextAtMs: 0 };
  for (let round = 0; round < 10; round += 1) {
    attempts = afterNothing(attempts, 0);
    waits.push(attempts.nextAtMs / 1_000);
  }
  expect(waits).toEqual([2, 4, 8, 16, 32, 64, 128, 256, 512, 600]);
  expect(afterAttempt(attempts, 0).nextAtMs).toBe(15_000);
});

test('the next look is at the first of those that are gone', () => {
  const known: KnownAttempts = new Map([
    ['tickets', { tried: 1, left: 0, nextAtMs: 30_000 }],
    ['mail', { tried: 0, left: 1, nextAtMs: 2_000 }],
    ['lives', { tried: 1, left: 0, nextAtMs: 1_000 }],
  ]);
  expect(nextAttemptMs(known, [{ name: 'tickets' }, { name: 'mail' }])).toBe(2_000);
  expect(nextAttemptMs(known, [])).toBeNull();
});
