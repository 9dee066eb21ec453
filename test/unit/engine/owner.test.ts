import { expect, test } from 'vitest';

import { currentOwner, ownerIsAlive, startOf } from '../../../src/engine/owner.js';

/** man 5 proc_pid_stat: from the third field on, with the number of threads in the 20th and the start in the 22nd. */
function stat(state: string, threads: number): string {
  const rest = [
    '1',
    '2',
    '2',
    '0',
    '-1',
    '4',
    '0',
    '0',
    '0',
    '0',
    '0',
    '0',
    '0',
    '0',
    '20',
    '0',
    threads,
    '0',
    '81234',
    '0',
  ];
  return `4711 (a (name) with) brackets) ${[state, ...rest].join(' ')}`;
}

test('a process is known by when it started; one that only waits for its parent is gone', () => {
  expect([startOf(stat('S', 11)), startOf(stat('Z', 1))]).toEqual(['81234', undefined]);
});

test('one that was killed and whose threads are still ending holds its port, and is not gone yet', () => {
  expect(startOf(stat('Z', 7))).toBe('81234');
});

test('this process is alive', () => {
  expect(ownerIsAlive(currentOwner())).toBe(true);
});
