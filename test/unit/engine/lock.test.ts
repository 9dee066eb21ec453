import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { expect, test } from 'vitest';

import { withLock } from '../../../src/engine/lock.js';
import { currentOwner } from '../../../src/engine/owner.js';
import { scratchFolder } from './scratch.js';

test('work under one lock never overlaps, and nothing of the lock is left', async () => {
  const folder = scratchFolder();
  let inside = 0;
  let most = 0;
  const work = async () => {
    most = Math.max(most, ++inside);
    await new Promise(setImmediate);
    inside -= 1;
  };
  await Promise.all(Array.from({ length: 8 }, () => withLock(join(folder, 'lock'), work)));

  expect({ most, left: readdirSync(folder) }).toEqual({ most: 1, left: [] });
});

test('a lock whose owner died is taken over by one of many that find it', async () => {
  const folder = scratchFolder();
  const file = join(folder, 'lock');
  writeFileSync(file, '999999999:1:other');
  let inside = 0;
  let most = 0;
  const work = async () => {
    most = Math.max(most, ++inside);
    await new Promise(setImmediate);
    inside -= 1;
  };
  await Promise.all(Array.from({ length: 8 }, () => withLock(file, work)));

  expect({ most, left: readdirSync(folder) }).toEqual({ most: 1, left: [] });
});

test('who waits is told whom for, and stops waiting when the signal is aborted', async () => {
  const file = join(scratchFolder(), 'lock');
  const stop = new AbortController();
  const holders: string[] = [];
  const stopped = withLock(file, async () => {
    const waiting = withLock(file, async () => 'never', {
      signal: stop.signal,
      onWait: (holder) => {
        holders.push(holder);
        stop.abort();
      },
    });
    return waiting.then(
      () => 'got it',
      (error: Error) => error.name,
    );
  });

  expect(await stopped).toBe('AbortError');
  expect(holders).toEqual([currentOwner()]);
});

test('a lock is given back when the work fails', async () => {
  const file = join(scratchFolder(), 'lock');
  await expect(withLock(file, () => Promise.reject(new Error('no')))).rejects.toThrow('no');

  expect(await withLock(file, async () => 'free')).toBe('free');
});
