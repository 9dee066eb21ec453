// Model servers: one Compose project each, so that two versions run beside each other. What runs is read off the
// containers' labels and never remembered. Touches containers of this project and their socket folders.
import { createHash } from 'node:crypto';
import { chownSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';

import type { ContainerInfo, ContainerInspectInfo } from 'dockerode';

import { MlxError } from '../../errors.js';
import type { ModelServer, OnProgress, ServerSpec, ServerState } from '../engine.js';
import { requirePrivateFolder } from '../private-folder.js';
import { loadedServers, loadInto, swapObstacle, unloadFrom, type Carrier } from './adapter-servers.js';
import { adaptersFolder, adaptersTarget, findCarrier, isOwnRetired, listAdapters, retireOwn } from './adapters.js';
import { compose } from './cli.js';
import { ask, askMaybe } from './connection.js';
import { checkMount, containerUser, lendMounts } from './container-user.js';
import { composeFolder, type DockerEdges } from './edges.js';
import { imageId, visibleGpu } from './images.js';
import { unloadAdapter } from './lora-client.js';
import { memoryLimitBytes } from './memory.js';
import { composeProject, label, labelFilters, versionReference } from './names.js';
import { serverRun } from './server-variables.js';

const socketName = 'vllm.sock';
const socketTarget = '/run/mlx';

/** @throws MlxError IMAGE_MISSING, FILE_NOT_FOUND, COMPOSE_FAILED, DOCKER_UNREACHABLE; nothing is left running then */
export async function startServer(
  edges: DockerEdges,
  spec: ServerSpec,
  onProgress: OnProgress,
  signal: AbortSignal,
): Promise<ModelServer> {
  await requireImage(edges, spec);
  if (spec.into !== undefined) return loadInto(edges, await requireCarrier(edges, spec.into), spec, onProgress);
  const base = { name: 'base model', source: spec.baseModel, writable: false };
  await checkMount(base);
  const user = await containerUser(edges.connection);
  await lendMounts([base], user, [edges.paths.state, edges.paths.home]);
  const gpu = spec.gpu ? await visibleGpu(edges) : undefined;
  const memoryBytes = await memoryLimitBytes(edges.connection);
  const socketFolder = makeSocketFolder(edges, spec.id, user);
  const adapters = makeAdaptersFolder(edges, spec.id);
  const { sleepMode } = edges.config.serving;
  const plan = { projectId: edges.paths.projectId, user, socketFolder, adapters, memoryBytes, gpu, sleepMode };
  const run = serverRun(spec, plan);
  onProgress(
    `starting ${versionReference(spec.model, `v${spec.version}`)} in a container ${gpu ? 'with a GPU' : 'on the CPU'}`,
  );
  try {
    await compose(edges.connection, { ...run, folder: composeFolder(edges), signal });
    return await requireServer(edges, spec.id);
  } catch (error) {
    await stopServer(edges, spec.id).catch(() => undefined);
    throw error;
  }
}

/**
 * Also of a server that is not there: then only its folders go. A version that shares a server is taken out of it; the container
 * is stopped with the last one.
 */
export async function stopServer(edges: DockerEdges, id: string): Promise<void> {
  const carrierId = findCarrier(edges, id);
  if (carrierId !== undefined) {
    await unloadFrom(edges, carrierOf(edges, carrierId), id);
    if (isOwnRetired(edges, carrierId) && listAdapters(edges, carrierId).length === 0)
      await stopContainer(edges, carrierId);
    return;
  }
  if (listAdapters(edges, id).length === 0) return stopContainer(edges, id);
  retireOwn(edges, id);
  const own = (await listContainers(edges)).find((carrier) => carrier.id === id);
  if (own) await unloadAdapter(own.address, own.servedName);
}

export async function listServers(edges: DockerEdges): Promise<ModelServer[]> {
  return (await listContainers(edges)).flatMap(({ takesAdapters, ...own }) => {
    const loaded = loadedServers(edges, { ...own, takesAdapters });
    return loaded.length > 0 && isOwnRetired(edges, own.id) ? loaded : [own, ...loaded];
  });
}

/** @param id of a version's own server, or of one that shares another's */
export async function swapObstacleOf(edges: DockerEdges, id: string, digest: string): Promise<string | null> {
  const carrierId = findCarrier(edges, id) ?? id;
  const carrier = (await listContainers(edges)).find((candidate) => candidate.id === carrierId);
  return carrier ? swapObstacle(edges, carrier, digest) : `${carrierId} does not run`;
}

/** compose/serve.yaml says `always`. One that is gone is no matter. */
export async function setRestart(edges: DockerEdges, id: string, restarts: boolean): Promise<void> {
  const found = await findContainer(edges, id);
  if (!found) return;
  const policy = { RestartPolicy: { Name: restarts ? 'always' : 'no' } };
  await askMaybe(edges.connection, (docker) => docker.getContainer(found.Id).update(policy));
}

async function stopContainer(edges: DockerEdges, id: string): Promise<void> {
  const project = composeProject(edges.paths.projectId, id);
  const graceSeconds = Math.ceil(edges.config.serving.drainTimeoutMs / 1000);
  // Without a file Compose goes by its own labels: a server of an older mlx is stopped as well.
  await compose(edges.connection, {
    folder: composeFolder(edges),
    files: [],
    project,
    args: ['down', '--timeout', String(graceSeconds)],
  });
  if (await findContainer(edges, id)) throw stillThere(id);
  rmSync(socketFolderOf(edges, id), { recursive: true, force: true });
  rmSync(adaptersFolder(edges, id), { recursive: true, force: true });
}

async function findContainer(edges: DockerEdges, id: string): Promise<ContainerInfo | undefined> {
  const filters = labelFilters({ [label.project]: edges.paths.projectId, [label.server]: id });
  const [found] = await ask(edges.connection, (docker) => docker.listContainers({ all: true, filters }));
  return found;
}

/** A Docker that is shutting down ends `down` without a failure, and starts the container again when it comes back (seen with 26.1). */
function stillThere(id: string): MlxError {
  return new MlxError('COMPOSE_FAILED', `The container of ${id} is still there after docker compose down.`, {
    hint: 'When Docker answers again: mlx releases recover',
  });
}

async function listContainers(edges: DockerEdges): Promise<Carrier[]> {
  const filters = labelFilters({ [label.project]: edges.paths.projectId, [label.server]: undefined });
  const containers = await ask(edges.connection, (docker) => docker.listContainers({ all: true, filters }));
  const inspected = await Promise.all(
    containers.map(({ Id }) => askMaybe(edges.connection, (docker) => docker.getContainer(Id).inspect())),
  );
  return inspected.filter((container) => container !== undefined).map(modelServer);
}

/** Pure. */
export function modelServer(container: ContainerInspectInfo): Carrier {
  const labels = container.Config.Labels;
  const state = serverState(container);
  const ended = state === 'exited' && (!container.State.Running || container.State.Restarting);
  const restarting = state === 'exited' && (container.State.Running || container.State.Restarting);
  const sockets = container.Mounts.find((mount) => mount.Destination === socketTarget)?.Source ?? '';
  const model = labels[label.model] ?? '';
  return {
    id: labels[label.server] ?? '',
    servedName: model,
    model,
    version: Number(labels[label.version] ?? 0),
    digest: container.Image,
    state,
    address: `unix:${join(sockets, socketName)}`,
    startedAtMs: Date.parse(container.State.StartedAt) || Date.parse(container.Created),
    exitStatus: ended ? container.State.ExitCode : null,
    ...(restarting && { restarting }),
    restarts: container.RestartCount,
    takesAdapters: container.Mounts.some((mount) => mount.Destination === adaptersTarget),
  };
}

/**
 * Docker starts a server that fell over anew, after longer and longer pauses. Until it is healthy again it counts as
 * exited: one that can never start would otherwise look as if it were starting for ever.
 */
function serverState({ State: state, RestartCount: restarts }: ContainerInspectInfo): ServerState {
  if (!state.Running || state.Restarting) return state.Status === 'created' ? 'starting' : 'exited';
  if (state.Health?.Status === 'healthy') return 'running';
  return restarts > 0 ? 'exited' : 'starting';
}

async function requireImage(edges: DockerEdges, spec: ServerSpec): Promise<void> {
  if ((await imageId(edges, spec.digest)) !== undefined) return;
  const reference = versionReference(spec.model, `v${spec.version}`);
  throw new MlxError(
    'IMAGE_MISSING',
    `The image of ${reference} (${spec.digest.slice(0, 19)}) is not in Docker any more.`,
    {
      hint: 'Package its run again (mlx models show names it): mlx package RUN',
    },
  );
}

async function requireCarrier(edges: DockerEdges, id: string): Promise<Carrier> {
  const found = (await listContainers(edges)).find((candidate) => candidate.id === id);
  if (found) return found;
  throw gone(id);
}

async function requireServer(edges: DockerEdges, id: string): Promise<ModelServer> {
  const server = (await listServers(edges)).find((candidate) => candidate.id === id);
  if (server) return server;
  throw gone(id);
}

function gone(id: string): MlxError {
  return new MlxError('SERVER_GONE', `The container of ${id} was removed meanwhile.`, {
    hint: 'Start it again: mlx serve',
  });
}

/** Only the container's user may put a socket there, and only it and root may connect. */
function makeSocketFolder(edges: DockerEdges, id: string, user: { uid: number; gid: number }): string {
  requirePrivateFolder(edges.paths.sockets);
  const folder = socketFolderOf(edges, id);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { mode: 0o700 });
  if (process.getuid?.() === 0) chownSync(folder, user.uid, user.gid);
  return folder;
}

/** The container's user reads what mlx puts there later; nobody but mlx writes. */
function makeAdaptersFolder(edges: DockerEdges, id: string): string {
  const folder = adaptersFolder(edges, id);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true, mode: 0o755 });
  return folder;
}

/** sockaddr_un holds 108 bytes on Linux and 104 on macOS, with the zero at the end. */
const longestSocket = 103;

function carrierOf(edges: DockerEdges, id: string): { id: string; address: string } {
  return { id, address: `unix:${join(socketFolderOf(edges, id), socketName)}` };
}

export function socketFolderOf({ paths }: { paths: { sockets: string } }, id: string): string {
  const folder = join(paths.sockets, id);
  if (Buffer.byteLength(join(folder, socketName)) <= longestSocket) return folder;
  return join(paths.sockets, createHash('sha256').update(id).digest('hex').slice(0, 16));
}
