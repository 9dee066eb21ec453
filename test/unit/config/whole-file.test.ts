import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { expect, test } from 'vitest';

import { writeWhole } from '../../../src/config/whole-file.js';
import { scratchFolder } from '../engine/scratch.js';

test('a file is replaced whole, with its mode, and nothing is left beside it', () => {
  const folder = scratchFolder();
  const file = join(folder, 'a.json');
  writeFileSync(file, 'old', { mode: 0o644 });
  writeWhole(file, 'new', { sync: true });
  expect(readFileSync(file, 'utf8')).toBe('new');
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(readdirSync(folder)).toEqual(['a.json']);
});

test('what cannot be put in its place leaves no half', () => {
  const folder = scratchFolder();
  mkdirSync(join(folder, 'taken', 'inside'), { recursive: true });
  expect(() => writeWhole(join(folder, 'taken'), 'text')).toThrow();
  expect(readdirSync(folder)).toEqual(['taken']);
});
