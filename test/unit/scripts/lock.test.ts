import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';

import { root } from '../source-tree.js';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'mlx-lock-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
});

/** A process that takes the lock and runs `work` while it holds it. */
function holder(work: string) {
  const lock = pathToFileURL(join(root, 'scripts', 'lock.js')).href;
  const program = `import { withLock } from ${JSON.stringify(lock)}; import { readFileSync, writeFileSync } from 'node:fs';
    await withLock('lock', (line) => console.error(line), async () => { ${work} });`;
  return spawn(process.execPath, ['--input-type=module', '-e', program], { cwd: folder });
}

async function endOf(child: ReturnType<typeof holder>): Promise<number | null> {
  const [status] = (await once(child, 'close')) as [number | null];
  return status;
}

describe('the lock of the scripts', () => {
  it('lets one in after the other', async () => {
    writeFileSync(join(folder, 'count'), '0');
    const increment = `const count = Number(readFileSync('count', 'utf8'));
      await new Promise((resolve) => setImmediate(resolve)); writeFileSync('count', String(count + 1));`;
    const statuses = await Promise.all(Array.from({ length: 4 }, () => endOf(holder(increment))));
    expect(statuses).toEqual([0, 0, 0, 0]);
    expect(readFileSync(join(folder, 'count'), 'utf8')).toBe('4');
    expect(existsSync(join(folder, 'lock'))).toBe(false);
  });

  it('is taken over from a process that was killed', async () => {
    const killed = holder(`console.log('in'); await new Promise(() => setInterval(() => undefined, 1000));`);
    await once(killed.stdout, 'data');
    killed.kill('SIGKILL');
    await endOf(killed);
    expect(existsSync(join(folder, 'lock'))).toBe(true);
    expect(await endOf(holder(`writeFileSync('done', '')`))).toBe(0);
    expect(existsSync(join(folder, 'done'))).toBe(true);
  });

  it('is given back by work that ends the process', async () => {
    expect(await endOf(holder('process.exit(3)'))).toBe(3);
    expect(existsSync(join(folder, 'lock'))).toBe(false);
  });
});
