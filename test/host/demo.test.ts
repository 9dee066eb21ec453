// The whole loop as a stranger runs it, without Docker: `mlx demo` with a base model made on the spot.
import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';

import { expect, test } from 'vitest';

import type { DemoReport } from '../../src/demo/demo.js';
import { mlx, mlxJson } from '../command/mlx.js';
import { scratchProject } from './project.js';

test('the demo goes round the whole loop: each version beats what came before it on rows that none saw, and no request is lost', async () => {
  const { folder, environment } = scratchProject({});
  const home = join(folder, 'home');
  mkdirSync(home);
  // The environment of gigabytes is shared; the base model is made, the demo's project is its own.
  const shared = join(environment['MLX_HOME'] ?? '', 'venvs');
  mkdirSync(shared, { recursive: true });
  symlinkSync(shared, join(home, 'venvs'));
  const settings = { folder, environment: { ...environment, MLX_HOME: home } };

  const demo = await mlxJson(['demo', '--engine', 'host'], settings);

  expect(demo.status, demo.stderr + demo.stdout.slice(-2000)).toBe(0);
  const report = demo.value as Pick<DemoReport, 'project' | 'versions' | 'steps'>;
  const match = (version: number, scored: string) =>
    report.versions[version]?.metrics[`held_out/${scored}/exact_match`] ?? NaN;
  expect(match(0, 'base')).toBeLessThan(0.05);
  expect(match(0, 'tuned')).toBeGreaterThan(0.1);
  expect(match(1, 'tuned')).toBeGreaterThan(0.8);
  const switches = report.steps.flatMap(({ traffic }) => traffic ?? []);
  expect(switches.map(({ failed }) => failed)).toEqual([0, 0]);
  expect(switches.every(({ answered }) => answered > 0)).toBe(true);
  const status = await mlx(['status', '--project', report.project], settings);
  expect(status.stdout).toContain('Nothing runs');
});
