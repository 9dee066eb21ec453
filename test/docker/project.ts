// A project of its own on the Engine, and everything that it leaves there removed again.
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import Docker from 'dockerode';
import { afterAll, onTestFinished } from 'vitest';

import { projectPaths, type Paths } from '../../src/config/paths.js';
import { loadConfig } from '../../src/config/load.js';
import { openDockerEngine } from '../../src/engine/docker/engine.js';
import type { Engine } from '../../src/engine/engine.js';

export type DockerProject = { engine: Engine; paths: Paths; folder: string; remove: () => Promise<void> };

/** undefined where no Engine answers: these tests are skipped then. */
export async function dockerProject(mlxYaml = '', more: NodeJS.ProcessEnv = {}): Promise<DockerProject | undefined> {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'mlx-docker-')));
  writeFileSync(join(folder, 'mlx.yaml'), `engine: docker\n${mlxYaml}`);
  const environment = { ...process.env, ...more, MLX_HOME: join(folder, 'home') };
  const paths = projectPaths(folder, environment);
  const engine = await openDockerEngine({ paths, config: await loadConfig(paths, environment), environment });
  if (engine) return { engine, paths, folder, remove: () => removeProject(paths) };
  rmSync(folder, { recursive: true, force: true });
  return undefined;
}

/** The project of one test file, and the words with which its tests are skipped. */
export async function sharedProject(): Promise<{ project: () => DockerProject; skipped: boolean; why: string }> {
  const found = await dockerProject();
  afterAll(() => found?.remove());
  return {
    project: () => found ?? missing(),
    skipped: found === undefined,
    why: found ? '' : ' (skipped: no Docker Engine answers)',
  };
}

/** Gone when the test ends. */
export async function otherProject(mlxYaml = '', more: NodeJS.ProcessEnv = {}): Promise<DockerProject> {
  const found = await dockerProject(mlxYaml, more);
  if (found) onTestFinished(found.remove);
  return found ?? missing();
}

export function containersOf(project: DockerProject): Promise<Docker.ContainerInfo[]> {
  const filters = { label: [`mlx.project=${project.paths.projectId}`] };
  return new Docker().listContainers({ all: true, filters });
}

function missing(): never {
  throw new Error('no Docker Engine answers');
}

export async function removeProject(paths: Paths): Promise<void> {
  const docker = new Docker();
  const filters = { label: [`mlx.project=${paths.projectId}`] };
  for (const { Id } of await docker.listContainers({ all: true, filters })) {
    await docker.getContainer(Id).remove({ force: true });
  }
  for (const { Id } of await docker.listNetworks({
    filters: { label: [`com.docker.compose.project=mlx-${paths.projectId}-mlflow`] },
  })) {
    await docker.getNetwork(Id).remove();
  }
  for (const { Id } of await docker.listImages({ filters })) await docker.getImage(Id).remove({ force: true });
  rmSync(paths.project, { recursive: true, force: true });
}
