import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { describe, expect, it, onTestFinished } from 'vitest';

import type { Finding } from '../../src/doctor/finding.js';
import { mlx, mlxJson, type MlxSettings } from './mlx.js';

type Page = {
  engine: { kind: string; why: string };
  findings: Finding[];
  counts: Record<string, number>;
  fixed: string[];
};

/** A folder without Docker, hub and proxies, whatever this machine has; Python is this machine's. */
function bareFolder(environment: NodeJS.ProcessEnv = {}): MlxSettings {
  const folder = mkdtempSync(join(tmpdir(), 'mlx-doctor-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const { PATH } = process.env;
  const silent = { DOCKER_HOST: `unix://${folder}/no.sock`, HF_HUB_OFFLINE: '1', MLX_HOME: join(folder, 'home') };
  return { folder, environment: { PATH, ...silent, ...environment } };
}

describe('mlx doctor', () => {
  it('works outside a project and takes the host engine where Docker does not answer', async () => {
    const { value, stdout } = await mlxJson(['doctor'], bareFolder());
    const { engine, findings, counts } = value as Page;
    expect(stdout.trim().split('\n')).toHaveLength(1);
    expect(engine).toEqual({ kind: 'host', why: 'no Docker Engine answers' });
    expect(findings.every((finding) => Object.keys(finding).join() === 'check,status,what,why,fix')).toBe(true);
    expect(findings.length).toBe(Object.values(counts).reduce((sum, count) => sum + count, 0));
    expect(findings.find(({ check }) => check === 'project')).toMatchObject({ status: 'skip' });
  });

  it('ends with status 3 when what the chosen engine needs is missing, and shows the fix', async () => {
    const settings = bareFolder();
    const { status, stdout } = await mlx(['doctor', '--engine', 'docker'], settings);
    expect(status).toBe(3);
    expect(stdout).toMatch(/✗ docker engine +The Docker Engine at unix:.* does not answer\./);
    expect(stdout).toMatch(/fix .*--engine host/);
    expect(stdout).toContain('Not ready: 1 missing');
  });

  it('names a Python that is too old, or not there, when the host engine needs it', async () => {
    const settings = bareFolder({ MLX_PYTHON: 'no-such-python' });
    const { status, value } = await mlxJson(['doctor', '--engine', 'host'], settings);
    expect(status).toBe(3);
    expect((value as Page).findings.find(({ check }) => check === 'python')).toMatchObject({ status: 'fail' });
    const withDocker = await mlxJson(['doctor', '--engine', 'docker'], settings);
    expect((withDocker.value as Page).findings.find(({ check }) => check === 'python')).toMatchObject({
      status: 'warn',
    });
  });

  it('goes on with the defaults when mlx.yaml is wrong, and lists its problems', async () => {
    const settings = bareFolder();
    writeFileSync(join(settings.folder, 'mlx.yaml'), 'engine: kubernetes\ngatway: {}\n');
    const { status, value } = await mlxJson(['doctor'], settings);
    const project = (value as Page).findings.find(({ check }) => check === 'project');
    expect(status).toBe(3);
    expect(project?.what).toMatch(/line 1: engine[^]*line 2: gatway/);
  });

  it('changes nothing without --fix, and then only folders of mlx', async () => {
    const settings = bareFolder({ MLX_UV: process.env['MLX_UV'] });
    const { folder } = settings;
    writeFileSync(join(folder, 'mlx.yaml'), 'engine: docker\n');
    mkdirSync(join(folder, '.mlx'), { mode: 0o755 });
    await mlx(['doctor'], settings);
    await mlx(['doctor', '--fix', '--dry-run'], settings);
    expect(existsSync(join(folder, 'home'))).toBe(false);
    expect(statSync(join(folder, '.mlx')).mode & 0o777).toBe(0o755);

    const { value } = await mlxJson(['doctor', '--fix'], settings);
    expect((value as Page).fixed).toContain(`closed ${join(folder, '.mlx')} to other users`);
    expect(statSync(join(folder, '.mlx')).mode & 0o777).toBe(0o700);
    expect(((await mlxJson(['doctor', '--fix'], settings)).value as Page).fixed).toEqual([]);
  });
});
