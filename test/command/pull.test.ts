import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { describe, expect, it, onTestFinished } from 'vitest';

import { mlx, mlxJson } from './mlx.js';

function scratch(): string {
  const folder = mkdtempSync(join(tmpdir(), 'mlx-pull-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  mkdirSync(join(folder, 'base'));
  const header = Buffer.from('{"__metadata__":{"format":"pt"}}');
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  writeFileSync(join(folder, 'base', 'model.safetensors'), Buffer.concat([length, header]));
  writeFileSync(join(folder, 'base', 'config.json'), '{}');
  return folder;
}

describe('mlx pull', () => {
  it('takes a folder in place: hashed, checked, the same each time', async () => {
    const folder = scratch();
    const { value, status } = await mlxJson(['pull', './base'], { folder });
    expect(status).toBe(0);
    expect(value).toMatchObject({ repository: join(folder, 'base'), folder: join(folder, 'base'), size_bytes: 42 });
    const again = await mlx(['pull', './base'], { folder });
    expect(again.stderr).toBe('');
    const { commit } = value as { commit: string };
    expect(again.stdout).toContain(`${join(folder, 'base')} at ${commit.slice(0, 12)}: verified`);
  });

  it('refuses an unsafe folder with every reason', async () => {
    const folder = scratch();
    writeFileSync(join(folder, 'base', 'modeling.py'), '');
    writeFileSync(join(folder, 'base', 'weights.bin'), '');
    const { stderr, status } = await mlx(['pull', './base'], { folder });
    expect(status).toBe(1);
    expect(stderr).toContain('[MODEL_UNSAFE]');
    expect(stderr).toContain('modeling.py  is a program');
    expect(stderr).toContain('weights.bin  may be a pickle');
  });

  it('offline says which model is missing, without opening an engine', async () => {
    const folder = scratch();
    const { stderr, status } = await mlx(['pull', 'Acme/Tiny@v2'], { folder, environment: { HF_HUB_OFFLINE: '1' } });
    expect(status).toBe(1);
    expect(stderr).toContain('Acme/Tiny at v2 is not on this machine, and HF_HUB_OFFLINE forbids to fetch it.');
  });

  it('--dry-run says what it would do and does nothing', async () => {
    const folder = scratch();
    const { stdout, status } = await mlx(['pull', 'Acme/Tiny', '--dry-run'], { folder });
    expect(status).toBe(0);
    expect(stdout).toContain('Would fetch Acme/Tiny@main');
    expect(readdirSync(folder)).toEqual(['base']);
  });

  it.each(['Tiny', 'Acme/Tiny/More', 'Acme/Tiny@', ''])('%j is a usage error', async (model) => {
    const folder = scratch();
    const { stderr, status } = await mlx(['pull', model], { folder });
    expect(status).toBe(2);
    expect(stderr).toContain('ORG/NAME');
  });
});
