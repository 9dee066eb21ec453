import { describe, expect, test } from 'vitest';

import {
  chooseStrategy,
  neededBytes,
  readStrategy,
  sleepRoomObstacle,
  type AskedStrategy,
  type Strategy,
  type SwitchFacts,
} from '../../../src/registry/strategy.js';

const gib = 2 ** 30;
const facts: SwitchFacts = {
  replaces: true,
  swapObstacle: 'another base',
  sleepObstacle: 'it offers none',
  memory: null,
};
const memory = (usedGib: number, freeGib: number) => {
  return { usedBytes: usedGib * gib, freeBytes: freeGib * gib, of: 'machine' as const };
};

describe('the strategy of a switch', () => {
  test.each<[string, AskedStrategy, Partial<SwitchFacts>, Strategy]>([
    [
      'nothing serves yet: a server, whatever is free',
      'auto',
      { replaces: false, memory: memory(9, 1) },
      'side-by-side',
    ],
    ['nothing serves yet: there is nothing to hold', 'hold', { replaces: false }, 'side-by-side'],
    ['nothing serves yet: nor anything to load into', 'adapter-swap', { replaces: false }, 'side-by-side'],
    ['the server takes the adapter', 'auto', { swapObstacle: null, memory: memory(9, 1) }, 'adapter-swap'],
    ['the server takes it, another was asked for', 'side-by-side', { swapObstacle: null }, 'side-by-side'],
    ['the server takes it, hold was asked for', 'hold', { swapObstacle: null }, 'hold'],
    ['there is room for two', 'auto', { memory: memory(3, 4) }, 'side-by-side'],
    ['there is just room for two', 'auto', { memory: memory(10, 11.25) }, 'side-by-side'],
    ['the margin is missing', 'auto', { memory: memory(10, 11.2) }, 'hold'],
    ['there is room for one', 'auto', { memory: memory(10, 1) }, 'hold'],
    ['there is room for one, and it can sleep', 'auto', { memory: memory(10, 1), sleepObstacle: null }, 'sleep'],
    [
      'there is room for two, and it could sleep',
      'auto',
      { memory: memory(3, 4), sleepObstacle: null },
      'side-by-side',
    ],
    ['it can sleep, hold was asked for', 'hold', { sleepObstacle: null }, 'hold'],
    ['sleep was asked for', 'sleep', { sleepObstacle: null }, 'sleep'],
    ['nothing serves yet: there is nobody to put to sleep', 'sleep', { replaces: false }, 'side-by-side'],
    ['no room, but asked for', 'side-by-side', { memory: memory(10, 1) }, 'side-by-side'],
    ['nothing could be measured', 'auto', {}, 'side-by-side'],
  ])('%s', (_title, asked, differing, expected) => {
    expect(chooseStrategy(asked, { ...facts, ...differing }).strategy).toBe(expected);
  });

  test('says what it rests on', () => {
    expect(chooseStrategy('auto', { ...facts, memory: { ...memory(10, 1), of: 'gpu' } }).why).toBe(
      'no adapter swap: another base; a second server needs about 11.3 GiB (this one uses 10.0 GiB), 1.0 GiB on the GPU are free; no sleep: it offers none',
    );
    expect(chooseStrategy('auto', { ...facts, memory: memory(10, 1), sleepObstacle: null }).why).toMatch(
      /1.0 GiB of memory are free; this one can sleep meanwhile$/,
    );
    expect(neededBytes(0)).toBe(256 * 2 ** 20);
  });

  test('is not another one than the one that was asked for by name', () => {
    expect(() => chooseStrategy('adapter-swap', facts)).toThrowError(
      expect.objectContaining({ code: 'STRATEGY_IMPOSSIBLE', message: expect.stringContaining('another base') }),
    );
    expect(() => chooseStrategy('sleep', facts)).toThrowError(
      expect.objectContaining({
        code: 'STRATEGY_IMPOSSIBLE',
        message: 'The server that runs cannot sleep: it offers none.',
      }),
    );
  });
});

test('weights that sleep need room in the memory of the machine', () => {
  expect(sleepRoomObstacle(16 * gib, 17 * gib)).toBeNull();
  expect(sleepRoomObstacle(16 * gib, 16.2 * gib)).toBe(
    "its weights (16.0 GiB) do not fit into the 16.2 GiB of the machine's memory that are free",
  );
  expect(sleepRoomObstacle(null, 17 * gib)).toBe('the size of its weights is not known');
});

test('the longest wait is a number of seconds', () => {
  expect(readStrategy({ strategy: 'hold', maxHold: '1.5' })).toEqual({ strategy: 'hold', maxHoldMs: 1500 });
  expect(readStrategy({})).toEqual({ strategy: 'auto', maxHoldMs: undefined });
  expect(() => readStrategy({ maxHold: '-1' })).toThrowError(expect.objectContaining({ code: 'USAGE' }));
});
