import { expect, test } from 'vitest';

import { changedRows, merkleRoot, parseRowHashes, renderRowHashes } from '../../../src/dataset/row-hashes.js';

const rows = ['1', '2', '3', '4', '5'].map((digit) => digit.repeat(64));

test('the root names the set of rows and not their order', () => {
  expect(merkleRoot(rows.toReversed())).toBe(merkleRoot(rows));
  expect(merkleRoot(rows.slice(1))).not.toBe(merkleRoot(rows));
  expect(merkleRoot([...rows, ...rows.slice(4)])).not.toBe(merkleRoot(rows));
});

test('a changed row is named by its place, a moved row is not a change', () => {
  const changed = rows.with(2, '9'.repeat(64));
  expect(changedRows(rows, changed)).toEqual({ removed: [2], added: [2] });
  expect(changedRows(rows, rows.toReversed())).toEqual({ removed: [], added: [] });
});

test('a row that stands twice and lost one copy is named once', () => {
  expect(changedRows([...rows, rows[0] ?? ''], rows)).toEqual({ removed: [5], added: [] });
});

test('the list beside the lock reads back', () => {
  const text = renderRowHashes({ train: rows, held_out: rows.slice(0, 1) });
  expect(parseRowHashes(text)).toEqual({ train: rows.map((row) => row.slice(0, 16)), held_out: ['1'.repeat(16)] });
});
