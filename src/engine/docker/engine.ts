// The docker engine: opens the connection and gathers what the other files do.
import { packageRoot } from '../../config/paths.js';
import { MlxError } from '../../errors.js';
import type { Engine } from '../engine.js';
import { askProgram } from '../exec.js';
import type { EngineSettings } from '../settings.js';
import { findCarrier } from './adapters.js';
import { connectionTo, engineVersion, type Connection } from './connection.js';
import type { DockerEdges } from './edges.js';
import { describeRuntime, oldRuntimes, removeRuntime } from './image-packages.js';
import { prepareRuntime } from './images.js';
import { runJob, stopJob } from './jobs.js';
import { namedLines } from './logs.js';
import { measureContainer } from './measure.js';
import { listServers, setRestart, startServer, stopServer, swapObstacleOf } from './servers.js';
import { serviceState, startService, stopService } from './services.js';
import { findVersion, packageVersion, tagVersion, untagVersion } from './versions.js';

/**
 * @param asked docker was asked for by name: then a missing part is an error and not a reason to look elsewhere
 * @returns undefined when no Engine answers quickly, or when Compose v2 is missing and docker was not asked for
 * @throws MlxError COMPOSE_MISSING
 */
export async function openDockerEngine(settings: EngineSettings, asked = false): Promise<Engine | undefined> {
  const connection = connectionTo(settings.environment);
  const [engine, composeVersion] = await Promise.all([engineVersion(settings.environment), findCompose(connection)]);
  if (engine === undefined) return undefined;
  if (composeVersion === undefined) {
    if (asked) throw composeMissing();
    return undefined;
  }
  return dockerEngine(
    { ...settings, connection, root: packageRoot() },
    `Docker Engine ${engine}, Compose ${composeVersion}`,
  );
}

function dockerEngine(edges: DockerEdges, description: string): Engine {
  return {
    kind: 'docker',
    description,
    prepareRuntime: (name, onProgress, signal) => prepareRuntime(edges, name, onProgress, signal),
    describeRuntime: (name, id) => describeRuntime(edges, name, id),
    oldRuntimes: (keep) => oldRuntimes(edges, keep),
    removeRuntime: (id) => removeRuntime(edges, id),
    runJob: (job, streams) => runJob(edges, job, streams),
    stopJob: (id) => stopJob(edges, id),
    packageVersion: (contents, onProgress, signal) => packageVersion(edges, contents, onProgress, signal),
    tagVersion: (model, digest, tag) => tagVersion(edges, model, digest, tag),
    untagVersion: (model, tag) => untagVersion(edges, model, tag),
    findVersion: (model, reference) => findVersion(edges, model, reference),
    startServer: (spec, onProgress, signal) => startServer(edges, spec, onProgress, signal),
    stopServer: (id) => stopServer(edges, id),
    setRestart: (id, restarts) => setRestart(edges, findCarrier(edges, id) ?? id, restarts),
    swapObstacle: (id, digest) => swapObstacleOf(edges, id, digest),
    listServers: () => listServers(edges),
    measureServer: (id) => measureContainer(edges, findCarrier(edges, id) ?? id),
    startService: (spec, onProgress, signal) => startService(edges, spec, onProgress, signal),
    stopService: (name, options) => stopService(edges, name, options),
    serviceState: (name) => serviceState(edges, name),
    logs: (name, options) => namedLines(edges, name, options),
  };
}

/** Compose's version text; undefined when the docker CLI or its plugin is missing. */
async function findCompose(connection: Connection): Promise<string | undefined> {
  const args = ['compose', 'version', '--short'];
  const answer = await askProgram({ file: 'docker', args, environment: connection.environment });
  return answer?.status === 0 ? answer.stdout.trim() : undefined;
}

function composeMissing(): MlxError {
  return new MlxError(
    'COMPOSE_MISSING',
    'Docker answers, but its CLI has no Compose v2 (docker compose version fails).',
    {
      hint: 'Install it (Debian and Ubuntu: apt install docker-compose-v2 or docker-compose-plugin), or: --engine host',
    },
  );
}
