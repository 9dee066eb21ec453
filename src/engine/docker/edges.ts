// What the docker engine's files work on.
import type { EngineSettings } from '../settings.js';
import type { Connection } from './connection.js';

export type DockerEdges = EngineSettings & {
  connection: Connection;
  /** The folder that holds compose/ and recipes/: build context, and home of the Compose files. */
  root: string;
};

export function composeFolder(edges: DockerEdges): string {
  return `${edges.root}/compose`;
}
