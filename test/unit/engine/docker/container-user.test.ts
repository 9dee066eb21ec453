import { chmodSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it, test } from 'vitest';

import { lendMounts, nobody, userFor } from '../../../../src/engine/docker/container-user.js';
import { scratchFolder } from '../scratch.js';

describe('the user of a container', () => {
  it('is the invoking user', () => {
    expect(userFor({ uid: 1000, gid: 1001 }, false)).toEqual({ uid: 1000, gid: 1001 });
  });

  it('is nobody when mlx is root, or where there are no numeric users', () => {
    expect(userFor({ uid: 0, gid: 0 }, false)).toEqual(nobody);
    expect(userFor({ uid: undefined, gid: undefined }, false)).toEqual(nobody);
  });

  it('is 0 in a rootless Engine, where that is the invoking user', () => {
    expect(userFor({ uid: 1000, gid: 1000 }, true)).toEqual({ uid: 0, gid: 0 });
  });
});

const asRoot = process.getuid?.() === 0;

describe.skipIf(!asRoot)(`folders lent by root${asRoot ? '' : ' (skipped: not root)'}`, () => {
  function folders(): { own: string; model: string; out: string } {
    const own = scratchFolder();
    const model = join(own, 'model');
    const out = join(own, 'out');
    mkdirSync(join(model, 'deep'), { recursive: true });
    mkdirSync(out);
    writeFileSync(join(model, 'deep', 'weights'), 'x', { mode: 0o600 });
    chmodSync(model, 0o700);
    return { own, model, out };
  }

  test('are readable, and writable until they are given back', async () => {
    const { own, model, out } = folders();
    const mounts = [
      { name: 'model', source: model, writable: false },
      { name: 'out', source: out, writable: true },
    ];
    const giveBack = await lendMounts(mounts, nobody, [own]);
    expect(statSync(model).mode & 0o777).toBe(0o705);
    expect(statSync(join(model, 'deep', 'weights')).mode & 0o777).toBe(0o604);
    expect(statSync(out).uid).toBe(nobody.uid);
    writeFileSync(join(out, 'made'), 'x');
    giveBack();
    expect(statSync(out).uid).toBe(0);
    expect(statSync(join(out, 'made')).uid).toBe(0);
  });

  test("that are not mlx's own are never opened up", async () => {
    const { model } = folders();
    const mounts = [{ name: 'model', source: model, writable: false }];
    await expect(lendMounts(mounts, nobody, [])).rejects.toMatchObject({
      code: 'MOUNT_UNREADABLE',
      hint: `Let others read it: chmod -R o+rX ${model}`,
    });
  });
});
