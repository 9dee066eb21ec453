// Help as a person reads it, on a terminal of 80 columns.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { expect, it } from 'vitest';

import { root } from '../unit/source-tree.js';
import { mlx } from './mlx.js';

const commands = [...readFileSync(join(root, 'docs', 'commands.md'), 'utf8').matchAll(/^## mlx (.*)$/gm)];

it('is broken between words, and no example is', async () => {
  const help = (words: string[], columns?: number) =>
    mlx([...words, '--help'], { folder: root, ...(columns === undefined ? {} : { columns }) });
  for (const [, name = ''] of commands) {
    const [piped, shown] = [await help(name.split(' ')), await help(name.split(' '), 80)];
    const examples = piped.stdout.split('\n').filter((line) => line.startsWith('  mlx '));
    // Without what explains it.
    for (const example of examples) expect(shown.stdout).toContain(example.trim().split('  ')[0]);
    expect(words(shown.stdout)).toEqual(words(piped.stdout));
    const wide = shown.stdout.split('\n').filter((line) => line.length > 80);
    // A command, or what stands in a file, is copied whole.
    expect(wide.filter((line) => !/^\s*(\S+=|"|export |curl |mlx )/.test(line))).toEqual([]);
  }
});

function words(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== '');
}
