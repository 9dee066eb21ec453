import { appendFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { expect, test } from 'vitest';

import { fileLines, lastText } from '../../../src/engine/lines.js';
import { scratchFolder } from './scratch.js';

const noSignal = new AbortController().signal;

async function all(lines: AsyncIterable<string>): Promise<string[]> {
  const found: string[] = [];
  for await (const line of lines) found.push(line);
  return found;
}

test('the last lines come oldest first, with one that has no end yet', async () => {
  const file = join(scratchFolder(), 'log');
  writeFileSync(file, 'one\ntwo\nthree\nfour');

  expect(await all(fileLines(file, { follow: false, lines: 2, signal: noSignal }))).toEqual(['two', 'three', 'four']);
  expect(await all(fileLines(file, { follow: false, lines: 99, signal: noSignal }))).toHaveLength(4);
  expect(await lastText(file, 1)).toBe('three\nfour');
});

test('a file that is not there has no lines', async () => {
  expect(await all(fileLines('/no/such/log', { follow: false, lines: 5, signal: noSignal }))).toEqual([]);
});

test('the last lines of a long file are whole', async () => {
  const file = join(scratchFolder(), 'log');
  const lines = Array.from({ length: 20_000 }, (_, index) => `line ${index} ${'é'.repeat(20)}`);
  writeFileSync(file, lines.join('\n') + '\n');

  expect(await all(fileLines(file, { follow: false, lines: 5_000, signal: noSignal }))).toEqual(lines.slice(-5_000));
});

test('following gives each added line once, also after the file was replaced, until the signal is aborted', async () => {
  const file = join(scratchFolder(), 'log');
  const stop = new AbortController();
  writeFileSync(file, 'old\nhalf');
  const found: string[] = [];
  for await (const line of fileLines(file, { follow: true, lines: 1, signal: stop.signal })) {
    found.push(line);
    if (line === 'old') appendFileSync(file, ' done\nnext\n');
    if (line === 'next') {
      writeFileSync(`${file}.new`, 'fresh\n');
      renameSync(`${file}.new`, file);
    }
    if (line === 'fresh') stop.abort();
  }

  expect(found).toEqual(['old', 'half done', 'next', 'fresh']);
});
