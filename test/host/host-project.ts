// A scratch project with its host engine opened.
import { loadConfig } from '../../src/config/load.js';
import type { Paths } from '../../src/config/paths.js';
import type { Engine } from '../../src/engine/engine.js';
import { openHostEngine } from '../../src/engine/host/engine.js';
import { scratchProject } from './project.js';

export type HostProject = { engine: Engine; paths: Paths; environment: NodeJS.ProcessEnv };

export async function hostProject(more: NodeJS.ProcessEnv = {}): Promise<HostProject> {
  const project = scratchProject({ 'mlx.yaml': 'engine: host\n' });
  const environment = { ...project.environment, ...more };
  const config = await loadConfig(project.paths, environment);
  return {
    engine: await openHostEngine({ paths: project.paths, config, environment }),
    paths: project.paths,
    environment,
  };
}
