// Lines of a service, a model server or a job, by the name that mlx gave it.
import { MlxError } from '../../errors.js';
import type { LogOptions } from '../engine.js';
import { findCarrier } from './adapters.js';
import { ask } from './connection.js';
import type { DockerEdges } from './edges.js';
import { containerLines } from './log-lines.js';
import { label, labelFilters } from './names.js';

/** @throws MlxError NOT_FOUND when no container of this project has the name */
export async function* namedLines(edges: DockerEdges, name: string, options: LogOptions): AsyncGenerator<string> {
  const holder = findCarrier(edges, name) ?? name;
  const filters = labelFilters({ [label.project]: edges.paths.projectId });
  const containers = await ask(edges.connection, (docker) => docker.listContainers({ all: true, filters }));
  const named = containers.find(({ Labels }) => namesOf(Labels).includes(holder));
  if (!named) {
    const names = containers.flatMap(({ Labels }) => namesOf(Labels));
    throw new MlxError('NOT_FOUND', `No container of this project is called ${name}.`, {
      hint: names.length === 0 ? 'Nothing runs: mlx up' : `There are: ${names.join(', ')}`,
    });
  }
  yield* containerLines(edges.connection, named.Id, options);
}

function namesOf(labels: Record<string, string>): string[] {
  return [labels[label.service], labels[label.server], labels[label.job]].filter((name) => name !== undefined);
}
