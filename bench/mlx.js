// mlx as a user starts it, and other programs beside it, for every benchmark: to their end, with what they said when they fail.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('..', import.meta.url));
export const mlx = join(root, 'bin', 'mlx.js');

/** @returns what it wrote to standard output */
export function runMlx(words, environment, folder) {
  return runToEnd(process.execPath, [mlx, ...words], environment, folder);
}

/** @returns what it wrote to standard output */
export function runToEnd(file, words, environment, folder) {
  const options = { cwd: folder, env: environment, encoding: 'utf8', maxBuffer: 2 ** 28 };
  const { status, stdout, stderr } = spawnSync(file, words, options);
  if (status === 0) return stdout;
  const said = `${stderr}${stdout}`.slice(-2000);
  throw new Error(`${[file, ...words].join(' ')} ended with status ${status}:\n${said}`);
}
