// A lock on a file system that is really full: a small one is mounted, in a namespace of its own, and filled.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { build } from 'tsdown';
import { expect, test } from 'vitest';

import { packageRoot } from '../../../src/config/paths.js';
import { scratchFolder } from './scratch.js';

const canMount =
  spawnSync('unshare', ['-rm', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt'], { stdio: 'ignore' }).status === 0;
const why = canMount ? '' : ' (skipped: no file system can be mounted here)';

const program = `
import { readdirSync, writeFileSync } from 'node:fs';
import { withLock } from './lock.mjs';
try {
  writeFileSync('disk/filling', Buffer.alloc(2 ** 20));
} catch (error) {
  if (error.code !== 'ENOSPC') throw error;
}
const holders = [];
const stop = new AbortController();
const onWait = (holder) => { holders.push(holder.split(':')[0]); stop.abort(); };
const inner = () => withLock('disk/lock', () => 'both', { signal: stop.signal, onWait });
const second = await withLock('disk/lock', () => inner().catch((error) => error.name));
const third = await withLock('disk/lock', async () => 'free');
console.log(JSON.stringify({ second, third, own: holders[0] === String(process.pid), left: readdirSync('disk') }));
`;

test.skipIf(!canMount)(`on a full disk a lock is held by one, and nothing of it is left${why}`, async () => {
  const folder = scratchFolder();
  mkdirSync(join(folder, 'disk'));
  const entry = { lock: join(packageRoot(), 'src', 'engine', 'lock.ts') };
  await build({ entry, outDir: folder, clean: false, config: false, dts: false, format: 'esm', logLevel: 'silent' });
  writeFileSync(join(folder, 'program.mjs'), program);
  const script = `mount -t tmpfs -o size=16k tmpfs disk && exec ${process.execPath} program.mjs`;
  const text = execFileSync('unshare', ['-rm', 'sh', '-c', script], { cwd: folder, encoding: 'utf8' });

  expect(JSON.parse(text)).toEqual({ second: 'AbortError', third: 'free', own: true, left: ['filling'] });
});
