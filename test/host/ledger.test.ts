// The ledger under kill -9, failing disks and power cuts; the scripts say how. Few here, thousands by hand.
import { execFileSync, spawnSync } from 'node:child_process';
import { join } from 'node:path';

import { beforeAll, expect, it } from 'vitest';

import { packageRoot } from '../../src/config/paths.js';

const root = packageRoot();
const script = (name: string, ...args: string[]) =>
  spawnSync(process.execPath, [join(root, 'scripts', name), ...args], { encoding: 'utf8' });
const hasStrace = spawnSync('strace', ['-V'], { stdio: 'ignore' }).status === 0;

beforeAll(() => {
  execFileSync(process.execPath, [join(root, 'scripts', 'ensure.js'), '--build'], { stdio: 'ignore' });
});

it('loses nothing that was acknowledged when its writers are killed', () => {
  const { stdout, status } = script('kill-ledger.js', '40');
  expect(stdout).toMatch(/40 kills .* [1-9]\d* acknowledged, 0 lost, 0 torn, integrity ok, audit chain whole/);
  expect(status).toBe(0);
});

it.skipIf(!hasStrace)(
  `loses nothing when the disk fails or the power goes${hasStrace ? '' : ' (skipped: no strace)'}`,
  () => {
    const { stdout, status } = script('break-ledger.js', '10');
    expect(
      stdout
        .trim()
        .split('\n')
        .map((line) => line.slice(0, 17).trim()),
    ).toEqual(['ok   fsync error', 'ok   full disk', 'ok   killed', 'ok   power cut', 'ok   control']);
    expect(status).toBe(0);
  },
);
