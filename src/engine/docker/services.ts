// Stack services (MLflow) through Compose; their state is read off the containers. Touches one container, its network
// and its data folder.
import { mkdirSync, rmSync } from 'node:fs';

import type { ContainerInspectInfo } from 'dockerode';

import { isMlxError, MlxError } from '../../errors.js';
import type { OnProgress, ServiceSpec, ServiceState } from '../engine.js';
import { isPortFree, requireFreePort } from '../port.js';
import { serviceDataFolder } from '../service-data.js';
import { compose } from './cli.js';
import { ask, askMaybe } from './connection.js';
import { chownBelow, containerUser } from './container-user.js';
import { composeFolder, type DockerEdges } from './edges.js';
import { prepareRuntime } from './images.js';
import { lastContainerText } from './log-lines.js';
import { composeProject, label, labelFilters } from './names.js';
import { serviceRun } from './service-variables.js';

const dataTarget: Record<string, string> = { mlflow: '/mlx/mlflow' };
const servicePort: Record<string, string> = { mlflow: '5000/tcp' };

/** Idempotent. @throws MlxError PORT_TAKEN, SERVICE_UNHEALTHY with the last lines, and what preparing the image throws */
export async function startService(
  edges: DockerEdges,
  spec: ServiceSpec,
  onProgress: OnProgress,
  signal: AbortSignal,
): Promise<ServiceState> {
  const runtime = await prepareRuntime(edges, spec.name, onProgress, signal);
  const present = await serviceContainer(edges, spec.name);
  if (!present || addressOf(spec.name, present) !== addressAt(spec.port)) await checkPort(edges, spec);
  const user = await containerUser(edges.connection);
  mkdirSync(spec.dataFolder, { recursive: true, mode: 0o700 });
  if (process.getuid?.() === 0) chownBelow(spec.dataFolder, user);
  const run = serviceRun(spec, { projectId: edges.paths.projectId, image: runtime.id, user });
  onProgress(`starting ${spec.name} on ${addressAt(spec.port)}`);
  try {
    await compose(edges.connection, { ...run, folder: composeFolder(edges), signal });
  } catch (error) {
    throw await startFailure(edges, spec, error);
  }
  return serviceState(edges, spec.name);
}

export async function stopService(edges: DockerEdges, name: string, options: { deleteData: boolean }): Promise<void> {
  const project = composeProject(edges.paths.projectId, name);
  const folder = (await mountedData(edges, name)) ?? serviceDataFolder(edges.paths, name);
  const args = options.deleteData ? ['down', '--volumes'] : ['down'];
  await compose(edges.connection, { folder: composeFolder(edges), files: [], project, args });
  if (options.deleteData) rmSync(folder, { recursive: true, force: true });
}

export async function serviceState(edges: DockerEdges, name: string): Promise<ServiceState> {
  const container = await serviceContainer(edges, name);
  if (!container) return { name, state: 'absent', address: undefined, runtime: undefined, startedAtMs: undefined };
  const state = containerState(container);
  return {
    name,
    state,
    address: addressOf(name, container),
    runtime: container.Image,
    startedAtMs: state === 'exited' ? undefined : Date.parse(container.State.StartedAt) || undefined,
  };
}

/** The folder of the service's data, as its container has it; undefined when there is no container. */
async function mountedData(edges: DockerEdges, name: string): Promise<string | undefined> {
  const container = await serviceContainer(edges, name);
  return container?.Mounts.find((mount) => mount.Destination === dataTarget[name])?.Source;
}

/** Pure. A service that Docker starts again and again is unhealthy, not starting. */
export function containerState({ State: state, RestartCount: restarts }: ContainerInspectInfo): ServiceState['state'] {
  if (state.Restarting) return 'unhealthy';
  if (!state.Running) return state.Status === 'created' ? 'starting' : 'exited';
  const health = state.Health?.Status;
  if (health === 'healthy') return 'running';
  return health === 'unhealthy' || restarts > 0 ? 'unhealthy' : 'starting';
}

function serviceContainer(edges: DockerEdges, name: string): Promise<ContainerInspectInfo | undefined> {
  const filters = labelFilters({ [label.project]: edges.paths.projectId, [label.service]: name });
  return askMaybe(edges.connection, async (docker) => {
    const [container] = await docker.listContainers({ all: true, filters });
    return container && (await docker.getContainer(container.Id).inspect());
  });
}

/** Behind a published port stands Docker's own proxy: the person is told the container instead. */
async function checkPort(edges: DockerEdges, spec: ServiceSpec): Promise<void> {
  const key = `${spec.name}.port`;
  if (await isPortFree(spec.port)) return;
  const containers = await ask(edges.connection, (docker) => docker.listContainers());
  const holder = containers.find(({ Ports }) => Ports.some((port) => port.PublicPort === spec.port));
  if (!holder) return requireFreePort(spec.port, spec.name, key);
  const name = holder.Names[0]?.slice(1) ?? holder.Id.slice(0, 12);
  throw new MlxError('PORT_TAKEN', `${spec.name} needs port ${spec.port}, which is held by the container ${name}.`, {
    hint: `Stop it (docker stop ${name}), or choose another port: ${key} in mlx.yaml`,
  });
}

async function startFailure(edges: DockerEdges, spec: ServiceSpec, cause: unknown): Promise<unknown> {
  const container = await serviceContainer(edges, spec.name);
  if (!isMlxError(cause, 'COMPOSE_FAILED') || !container) return cause;
  const lines = await lastContainerText(edges.connection, container.Id, 20);
  return new MlxError('SERVICE_UNHEALTHY', `${spec.name} did not become healthy. Its last lines:\n${lines}`, {
    cause,
    hint: `See all of them: mlx logs ${spec.name}. Start it anew: mlx down, then mlx up`,
  });
}

/** As asked for, which is still known of a container that has ended. */
function addressOf(name: string, container: ContainerInspectInfo): string | undefined {
  const bindings = container.HostConfig.PortBindings as Record<string, { HostPort: string }[] | undefined>;
  const published = bindings[servicePort[name] ?? '']?.[0];
  return published ? addressAt(Number(published.HostPort)) : undefined;
}

function addressAt(port: number): string {
  return `http://127.0.0.1:${port}`;
}
