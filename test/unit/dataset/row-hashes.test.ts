import { expect, test } from 'vitest';

import {
  changedRows,
  describeChange,
  merkleRoot,
  parseRows,
  renderRows,
  reorderedRows,
  type RowRecord,
} from '../../../src/dataset/row-hashes.js';

const hashes = ['1', '2', '3', '4', '5'].map((digit) => digit.repeat(64));
const row = (digit: string, line: number, file = 'a.jsonl'): RowRecord => ({ sha256: digit.repeat(64), file, line });
const rows = [row('1', 1), row('2', 2), row('3', 4)];

test('the root names the set of rows and not their order', () => {
  expect(merkleRoot(hashes.toReversed())).toBe(merkleRoot(hashes));
  expect(merkleRoot(hashes.slice(1))).not.toBe(merkleRoot(hashes));
  expect(merkleRoot([...hashes, ...hashes.slice(4)])).not.toBe(merkleRoot(hashes));
});

test('another text on the same line is a changed row, named by file and line', () => {
  expect(changedRows({ train: rows }, { train: [row('1', 1), row('9', 2), row('3', 4)] })).toEqual([
    { split: 'train', change: 'changed', file: 'a.jsonl', line: 2 },
  ]);
});

test('a row that was put in between moves the others, and only it is named', () => {
  expect(changedRows({ train: rows }, { train: [row('9', 1), row('1', 2), row('2', 3), row('3', 5)] })).toEqual([
    { split: 'train', change: 'added', file: 'a.jsonl', line: 1 },
  ]);
});

test('a row that went is named by where it was, and another order is no change', () => {
  expect(changedRows({ train: rows }, { train: [row('3', 1), row('1', 2)] })).toEqual([
    { split: 'train', change: 'removed', file: 'a.jsonl', line: 2 },
  ]);
  expect(changedRows({ train: rows }, { train: rows.toReversed() })).toEqual([]);
});

test('a row that went from one split to the other is named once', () => {
  const then = { train: rows, held_out: [] };
  expect(changedRows(then, { train: rows.slice(1), held_out: [row('1', 1)] })).toEqual([
    { split: 'held_out', change: 'moved', file: 'a.jsonl', line: 1 },
  ]);
});

test('a row that stands twice and lost one copy is named once', () => {
  expect(changedRows({ train: [...rows, row('1', 9)] }, { train: rows })).toEqual([
    { split: 'train', change: 'removed', file: 'a.jsonl', line: 9 },
  ]);
});

test('the list beside the lock reads back, with shortened hashes that compare as well', () => {
  const splits = { train: [...rows, row('4', 1, 'b.jsonl')], held_out: [row('5', 7)] };
  const back = parseRows(renderRows(splits));
  expect(back['train']?.at(-1)).toEqual({ sha256: '4'.repeat(16), file: 'b.jsonl', line: 1 });
  expect(back['held_out']).toEqual([{ sha256: '5'.repeat(16), file: 'a.jsonl', line: 7 }]);
  expect(changedRows(back, splits)).toEqual([]);
});

test('of the same rows in another order the first that stands elsewhere is named; other rows are another question', () => {
  const swapped = [row('1', 1), row('3', 2), row('2', 3)];
  expect(reorderedRows({ train: rows, held_out: rows }, { train: swapped, held_out: rows })).toEqual([
    { split: 'train', change: 'reordered', file: 'a.jsonl', line: 2 },
  ]);
  expect(reorderedRows({ train: rows }, { train: [row('9', 1), ...rows.slice(1)] })).toEqual([]);
  expect(describeChange({ split: 'train', change: 'reordered', file: 'a.jsonl', line: 2 })).toBe(
    'from a.jsonl line 2 on the rows of train are in another order',
  );
});
