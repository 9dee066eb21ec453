// The real program, killed as by kill -9 at one place of its promotion (kill-at.js).
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

import { packageRoot } from '../../src/config/paths.js';
import type { FailPoint } from '../../src/registry/journal.js';

const preload = join(import.meta.dirname, 'kill-at.js');

/** @returns the signal that ended it; null: it never came to that place */
export async function killedAt(
  point: FailPoint,
  argv: readonly string[],
  { folder, environment }: { folder: string; environment: NodeJS.ProcessEnv },
): Promise<string | null> {
  const words = ['--import', preload, join(packageRoot(), 'bin', 'mlx.js'), ...argv, '--project', folder];
  const env = { ...environment, MLX_TEST_KILL_AT: point };
  const child = spawn(process.execPath, words, { env, stdio: 'ignore' });
  const [, signal] = (await once(child, 'exit')) as [number | null, string | null];
  return signal;
}
