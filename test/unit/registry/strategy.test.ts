import { describe, expect, test } from 'vitest';

import {
  chooseStrategy,
  neededBytes,
  readStrategy,
  type AskedStrategy,
  type Strategy,
  type SwitchFacts,
} from '../../../src/registry/strategy.js';

const gib = 2 ** 30;
const facts: SwitchFacts = { replaces: true, swapObstacle: 'another base', memory: null };
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
    ['no room, but asked for', 'side-by-side', { memory: memory(10, 1) }, 'side-by-side'],
    ['nothing could be measured', 'auto', {}, 'side-by-side'],
  ])('%s', (_title, asked, differing, expected) => {
    expect(chooseStrategy(asked, { ...facts, ...differing }).strategy).toBe(expected);
  });

  test('says what it rests on', () => {
    expect(chooseStrategy('auto', { ...facts, memory: { ...memory(10, 1), of: 'gpu' } }).why).toBe(
      'no adapter swap: another base; a second server needs about 11.3 GiB (this one uses 10.0 GiB), 1.0 GiB on the GPU are free',
    );
    expect(neededBytes(0)).toBe(256 * 2 ** 20);
  });

  test('is not another one than the one that was asked for by name', () => {
    expect(() => chooseStrategy('adapter-swap', facts)).toThrowError(
      expect.objectContaining({ code: 'STRATEGY_IMPOSSIBLE', message: expect.stringContaining('another base') }),
    );
  });
});

test('the longest wait is a number of seconds', () => {
  expect(readStrategy({ strategy: 'hold', maxHold: '1.5' })).toEqual({ strategy: 'hold', maxHoldMs: 1500 });
  expect(readStrategy({})).toEqual({ strategy: 'auto', maxHoldMs: undefined });
  expect(() => readStrategy({ maxHold: '-1' })).toThrowError(expect.objectContaining({ code: 'USAGE' }));
});
