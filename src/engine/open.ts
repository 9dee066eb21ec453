// Chooses the engine: the flag, then mlx.yaml, then Docker when an Engine answers, else the host.
import { loadDefaults } from '../config/load.js';
import { projectPaths, type HomePaths, type Paths } from '../config/paths.js';
import type { Config } from '../config/schema.js';
import { MlxError } from '../errors.js';
import type { Engine, EngineKind } from './engine.js';

export type EngineEdges = {
  flags: { engine: EngineKind | undefined };
  environment: NodeJS.ProcessEnv;
  home: HomePaths;
  paths: () => Paths;
  config: () => Promise<Config>;
};

/** For what runs outside a project, or before there is one: its files lie in `folder`, its settings are the defaults. */
export function openEngineIn(folder: string, edges: Omit<EngineEdges, 'paths' | 'config'>): Promise<Engine> {
  const { environment } = edges;
  return openEngine({
    ...edges,
    paths: () => projectPaths(folder, environment),
    config: () => loadDefaults(folder, environment),
  });
}

/** @throws MlxError DOCKER_UNREACHABLE when Docker was asked for by name and does not answer */
export async function openEngine(edges: EngineEdges, kind?: EngineKind): Promise<Engine> {
  const config = await edges.config();
  const wanted = kind ?? edges.flags.engine ?? config.engine;
  const settings = { paths: edges.paths(), config, environment: edges.environment };
  if (wanted !== 'host') {
    const { openDockerEngine } = await import('./docker/engine.js');
    const docker = await openDockerEngine(settings, wanted === 'docker');
    if (docker) return docker;
    if (wanted === 'docker') {
      throw new MlxError(
        'DOCKER_UNREACHABLE',
        `No Docker Engine answers${edges.environment['DOCKER_HOST'] ? ` at ${edges.environment['DOCKER_HOST']}` : ''}.`,
        {
          hint: 'See what is missing: mlx doctor (or run without Docker: add --engine host)',
        },
      );
    }
  }
  const { openHostEngine } = await import('./host/engine.js');
  return openHostEngine(settings);
}
