// Variables that the README names are there, and those that are asked for first are explained.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { expect, it } from 'vitest';

import { unreadVariables } from '../../../src/config/settings.js';
import { root } from '../source-tree.js';

const readme = readFileSync(join(root, 'README.md'), 'utf8');

it.each(['MLX_HOME', 'MLX_ENGINE', 'MLX_PROJECT'])('%s is explained', (name) => {
  expect(readme).toMatch(new RegExp(`^\\| \`${name}[^|]*\\| .{30,} \\|$`, 'm'));
});

it('names no variable that nothing reads', () => {
  const named = [...new Set(readme.match(/\bMLX_[A-Z_]*[A-Z]\b/g))];
  const unread = unreadVariables(Object.fromEntries(named.map((name) => [name, 'x'])));
  // Of the pipeline that mlx init writes.
  expect(unread.map(({ name }) => name)).toEqual(['MLX_PACKAGE']);
});
