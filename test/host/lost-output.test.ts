// The result of a command on a device that takes no byte: /dev/full.
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { expect, it } from 'vitest';

import { packageRoot } from '../../src/config/paths.js';
import { scratchFolder } from '../unit/engine/scratch.js';

const mlx = join(packageRoot(), 'bin', 'mlx.js');

it('a result that could not be written is a failure and says so, while a reader that left is none', () => {
  const cwd = scratchFolder();
  writeFileSync(join(cwd, 'mlx.yaml'), 'engine: host\n');
  const command = (pipeline: string) =>
    spawnSync('bash', ['-c', pipeline, process.execPath, mlx], { cwd, encoding: 'utf8' });
  const lost = command('"$0" "$1" runs ls --json > /dev/full');
  expect(lost).toMatchObject({ status: 1, stderr: expect.stringContaining('ENOSPC') as string });
  expect(command('"$0" "$1" runs ls --json | true; exit "${PIPESTATUS[0]}"')).toMatchObject({ status: 0, stderr: '' });
});
