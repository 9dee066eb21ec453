import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { join } from 'node:path';

import { expect, test } from 'vitest';

import { contentFile, findContent, keepContent } from '../../../src/store/content.js';
import { scratchFolder } from '../engine/scratch.js';

function fileWith(text: string): { store: string; file: string; sha256: string } {
  const folder = scratchFolder();
  const file = join(folder, 'file');
  writeFileSync(file, text);
  return { store: join(folder, 'store'), file, sha256: createHash('sha256').update(text).digest('hex') };
}

test('a file is found by its hash, and takes no room twice', async () => {
  const { store, file, sha256 } = fileWith('rows');
  await keepContent(store, file, sha256);
  await keepContent(store, file, sha256);
  const kept = await findContent(store, sha256);
  expect(readFileSync(kept ?? '', 'utf8')).toBe('rows');
  expect(statSync(kept ?? '').ino).toBe(statSync(file).ino);
});

test('what is not there, or is no longer what its name says, is not found', async () => {
  const { store, file, sha256 } = fileWith('rows');
  expect(await findContent(store, sha256)).toBeUndefined();
  await keepContent(store, file, sha256);
  writeFileSync(file, 'other');
  expect(await findContent(store, sha256)).toBeUndefined();
});

test("what an interrupted keep left behind is in nobody's way", async () => {
  const { store, file, sha256 } = fileWith('rows');
  mkdirSync(join(contentFile(store, sha256), '..'), { recursive: true });
  writeFileSync(`${contentFile(store, sha256)}.${process.pid}.partial`, 'half');
  await keepContent(store, file, sha256);
  expect(readFileSync((await findContent(store, sha256)) ?? '', 'utf8')).toBe('rows');
});
