// A project of its own for each test; the environments (gigabytes) and base models are shared between tests and runs.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { onTestFinished } from 'vitest';

import { projectPaths, type Paths } from '../../src/config/paths.js';

/** MLX_TEST_HOME keeps what is installed between runs; without it the person's own MLX_HOME is used. */
export function testEnvironment(home: string): NodeJS.ProcessEnv {
  const { PATH, LANG, TMPDIR, MLX_HOME, MLX_TEST_HOME, HOME } = process.env;
  const shared = MLX_TEST_HOME ?? MLX_HOME ?? join(HOME ?? tmpdir(), '.mlx');
  const network = Object.entries(process.env).filter(([name]) =>
    /^(https?_proxy|no_proxy|pip_|uv_|ssl_cert)/i.test(name),
  );
  return { PATH, LANG, TMPDIR, HOME: home, MLX_HOME: shared, ...Object.fromEntries(network) };
}

export type Project = {
  folder: string;
  paths: Paths;
  environment: NodeJS.ProcessEnv;
  write: (path: string, text: string) => void;
};

/** Gone with the test that asked for it. */
export function scratchProject(files: Record<string, string>): Project {
  const project = keptProject(files);
  onTestFinished(project.remove);
  return project;
}

/** Stays until `remove`: for a file of tests that tell one story. */
export function keptProject(files: Record<string, string>): Project & { remove: () => void } {
  const folder = mkdtempSync(join(tmpdir(), 'mlx-host-'));
  const environment = testEnvironment(folder);
  const write = (path: string, text: string): void => {
    mkdirSync(join(folder, path, '..'), { recursive: true });
    writeFileSync(join(folder, path), text);
  };
  for (const [path, text] of Object.entries(files)) write(path, text);
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  return { folder, paths: projectPaths(folder, environment), environment, write, remove };
}
