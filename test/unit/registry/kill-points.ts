// The places of a switch at which it can be killed, in their order: before the flip it is undone, from then on finished.
import type { FailPoint } from '../../../src/registry/journal.js';

export const beforeFlip: readonly FailPoint[] = [
  'start: begun',
  'start: performed',
  'ready: begun',
  'ready: performed',
  'flip: begun',
];

export const afterFlip: readonly FailPoint[] = [
  'flip: performed',
  'tags: begun',
  'tags: performed',
  'drain: begun',
  'drain: performed',
  'end: begun',
];

export const switchPoints = [...beforeFlip, ...afterFlip];
