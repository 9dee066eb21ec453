import { expect, test } from 'vitest';

import { disksOf } from '../../../src/stack/disks.js';

const gib = 2 ** 30;
const disk = (freeGib: number, sizeGib: number, dev = 1) => ({ bavail: freeGib, blocks: sizeGib, bsize: gib, dev });
const lowOf = async (freeGib: number, sizeGib: number) =>
  (await disksOf(['/p'], () => Promise.resolve(disk(freeGib, sizeGib))))[0]?.low;

test.each([
  [4, 40, true],
  [6, 40, false],
  [11, 250, true],
  [13, 250, false],
  // A twentieth of 8 TB is plenty.
  [49, 8_000, true],
  [51, 8_000, false],
])('%d GiB free of %d: nearly full is %s', async (freeGib, sizeGib, low) => {
  expect(await lowOf(freeGib, sizeGib)).toBe(low);
});

test('folders of one disk are told together, one that is not there yet by its parent, and what cannot be asked is left out', async () => {
  const asked: string[] = [];
  const ask = (folder: string) => {
    asked.push(folder);
    if (folder === '/gone') return Promise.reject(Object.assign(new Error('stale'), { code: 'ESTALE' }));
    if (folder === '/p/home/.mlx') return Promise.reject(Object.assign(new Error('none'), { code: 'ENOENT' }));
    return Promise.resolve(folder === '/data' ? disk(3, 100, 2) : disk(3, 100));
  };
  const told = { freeBytes: 3 * gib, sizeBytes: 100 * gib, low: true };
  expect(await disksOf(['/p', '/p/home/.mlx', '/gone', '/data'], ask)).toEqual([
    { folders: ['/p', '/p/home/.mlx'], ...told },
    { folders: ['/data'], ...told },
  ]);
  expect(asked.sort()).toEqual(['/data', '/gone', '/p', '/p/home', '/p/home/.mlx']);
});
