import { expect, it } from 'vitest';

import { countNearDuplicates } from '../../../src/dataset/near-duplicates.js';

async function* each(texts: readonly string[]): AsyncGenerator<string> {
  yield* texts;
}

async function near(heldOut: readonly string[], train: readonly string[]): Promise<number> {
  return (await countNearDuplicates(each(heldOut), each(train))).found;
}

/** Deterministic, evenly spread. */
function words(count: number, seed: number): string[] {
  let state = seed * 2_654_435_761;
  return Array.from({ length: count }, () => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9) >>> 0;
    return `w${[...(state % 5000).toString()].map((digit) => 'abcdefghij'[Number(digit)] ?? '').join('')}`;
  });
}

/** The same measure, written as it is defined. */
function jaccard(one: string, other: string): number {
  const pieces = (text: string): Set<string> => {
    const list = text.split(' ');
    return new Set(list.slice(2).map((_, at) => list.slice(at, at + 3).join(' ')));
  };
  const [first, second] = [pieces(one), pieces(other)];
  const shared = [...first].filter((piece) => second.has(piece)).length;
  return shared / (first.size + second.size - shared);
}

it('finds exactly the rows that the measure calls near', async () => {
  const heldOut = Array.from({ length: 60 }, (_, row) => words(40, row + 1).join(' '));
  const train = Array.from({ length: 600 }, (_, row) => {
    const copy = (heldOut[row % heldOut.length] ?? '').split(' ');
    // From no word to a dozen words changed.
    words(row % 13, row + 1000).forEach((word, at) => (copy[(at * 7 + row) % copy.length] = word));
    return copy.join(' ');
  });
  const expected = train.filter((text) => heldOut.some((other) => jaccard(text, other) >= 0.7)).length;
  expect(expected).toBeGreaterThan(50);
  expect(expected).toBeLessThan(550);
  expect(await near(heldOut, train)).toBe(expected);
});

it('takes case, numbers and punctuation as equal', async () => {
  const row = 'please send order 4711 to my new address in the old town, thank you';
  expect(await near([row], ['PLEASE send order 9 to my new address - in the old town. Thank you!'])).toBe(1);
});

it('compares scripts without blanks by character', async () => {
  expect(
    await near(
      ['请把我的订单寄到新的地址谢谢你们'],
      ['请把我的订单寄到新的地址谢谢你', '我想取消合同并且退款可以吗谢谢'],
    ),
  ).toBe(1);
});

it('does not count what many held-out rows share', async () => {
  const instruction = words(60, 1).join(' ');
  const heldOut = Array.from({ length: 200 }, (_, row) => `${instruction} ${words(12, row + 10).join(' ')}`);
  const train = Array.from({ length: 200 }, (_, row) => `${instruction} ${words(12, row + 5000).join(' ')}`);
  expect(await near(heldOut, train)).toBe(0);
  expect(await near(heldOut, heldOut)).toBe(200);
});

it('counts short rows only when their words are equal', async () => {
  expect(await near(['yes please', 'no'], ['Yes, please!', 'yes', 'maybe not'])).toBe(1);
});

it('has nothing to say about nothing', async () => {
  expect(await countNearDuplicates(each([]), each(['a b c d e f']))).toEqual({
    found: 0,
    compared: { heldOut: 0, train: 1 },
  });
});
