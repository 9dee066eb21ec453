// A project with a real MLflow of its own, started as `mlx up` starts it.
import { join } from 'node:path';

import { onTestFinished } from 'vitest';

import { loadConfig } from '../../src/config/load.js';
import { openHostEngine } from '../../src/engine/host/engine.js';
import { freePort } from '../../src/engine/port.js';
import { scratchProject } from './project.js';

/** Gone with the test that asked for it. */
export async function runningMlflow() {
  const project = scratchProject({ 'mlx.yaml': 'engine: host\n' });
  const config = await loadConfig(project.paths, project.environment);
  const engine = await openHostEngine({ paths: project.paths, config, environment: project.environment });
  const port = await freePort();
  onTestFinished(() => engine.stopService('mlflow', { deleteData: true }));
  await engine.startService(
    { name: 'mlflow', port, dataFolder: join(project.folder, 'mlflow') },
    () => undefined,
    new AbortController().signal,
  );
  const api = `http://127.0.0.1:${port}/api/2.0`;
  const ask = async (path: string): Promise<unknown> => (await fetch(`${api}/${path}`)).json();
  return { project, port, ask, settings: { enabled: true, port, trackingUri: undefined, experiment: 'mlx' } };
}
