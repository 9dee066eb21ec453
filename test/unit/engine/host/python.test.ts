import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { expect, test } from 'vitest';

import { findPython, findUv } from '../../../../src/engine/host/python.js';
import { scratchFolder } from '../scratch.js';

function program(folder: string, name: string, says: string): string {
  const file = join(folder, name);
  writeFileSync(file, `#!/bin/sh\necho '${says}'\n`);
  chmodSync(file, 0o755);
  return file;
}

const home = (folder: string) => ({ home: folder, models: '', venvs: '' });

test('the first Python in PATH that the locks hold for is taken', async () => {
  const folder = scratchFolder();
  program(folder, 'python3', '["/usr/bin/python3.9", "3.9.2"]');
  program(folder, 'python3.13', '["/opt/python3.13", "3.13.1"]');

  expect(await findPython({ PATH: folder })).toEqual({ executable: '/opt/python3.13', version: '3.13.1' });
});

test('without a fitting Python the error names what was found and how to get one', async () => {
  const folder = scratchFolder();
  program(folder, 'python3', '["/usr/bin/python3", "3.14.0"]');

  await expect(findPython({ PATH: folder })).rejects.toMatchObject({
    code: 'PYTHON_MISSING',
    message: 'No Python 3.11, 3.12 or 3.13 in PATH: python3 is 3.14.0.',
    hint: expect.stringContaining('MLX_PYTHON'),
  });
});

test('MLX_PYTHON is taken instead of PATH, and is named when it does not fit', async () => {
  const folder = scratchFolder();
  program(folder, 'python3', '["/usr/bin/python3", "3.12.0"]');
  const old = program(folder, 'old', '["/old", "3.8.0"]');

  await expect(findPython({ PATH: folder, MLX_PYTHON: old })).rejects.toMatchObject({ code: 'PYTHON_MISSING' });
  await expect(findPython({ PATH: folder, MLX_PYTHON: '/none' })).rejects.toMatchObject({
    message: 'No Python 3.11, 3.12 or 3.13 in MLX_PYTHON (/none).',
  });
});

test('a uv that is missing, broken or too old is passed over', async () => {
  const folder = scratchFolder();
  expect(await findUv({ PATH: folder }, home(folder))).toBeUndefined();
  const uv = program(folder, 'uv', 'uv 0.4.9');
  expect(await findUv({ PATH: folder }, home(folder))).toBeUndefined();
  await expect(findUv({ PATH: folder, MLX_UV: uv }, home(folder))).rejects.toMatchObject({ code: 'UV_MISSING' });
  program(folder, 'uv', 'uv 0.13.8 (x86_64)');
  expect(await findUv({ PATH: folder }, home(folder))).toEqual({ file: 'uv', version: '0.13.8' });
});
