// Jobs: one container each through compose/train.yaml, its lines out, its end in. Touches containers that carry the
// project's label and the job's, nothing else.
import { join } from 'node:path';

import type { ContainerInspectInfo } from 'dockerode';

import { MlxError } from '../../errors.js';
import { checkpointGraceMs, type Job, type JobExit, type JobStreams } from '../engine.js';
import { seesGpu } from '../gpu.js';
import { certificatesFile } from './build-access.js';
import { compose } from './cli.js';
import { answeredStatus, ask, askMaybe, type Connection } from './connection.js';
import { checkMount, containerUser, lendMounts } from './container-user.js';
import { composeFolder, type DockerEdges } from './edges.js';
import { containerExit } from './exits.js';
import { prepareRuntime, visibleGpu } from './images.js';
import { removeJobFiles, writeJobFiles } from './job-files.js';
import { jobRun, tokenVariable, type JobPlan } from './job-variables.js';
import { followStreams } from './log-lines.js';
import { memoryLimitBytes } from './memory.js';
import { label, labelFilters } from './names.js';
import { containerNetwork } from './network.js';

const leftoverGraceSeconds = 30;

/** @throws MlxError DOCKER_UNREACHABLE, COMPOSE_FAILED, BUSY, FILE_NOT_FOUND, and what preparing the image throws */
export async function runJob(edges: DockerEdges, job: Job, streams: JobStreams): Promise<JobExit> {
  const image =
    job.runtimeId ?? (await prepareRuntime(edges, job.runtime, (line) => streams.onStderr(line), streams.signal)).id;
  for (const mount of job.mounts) await checkMount(mount);
  await refuseIfRunning(edges, job.id);
  const user = await containerUser(edges.connection);
  try {
    const network = containerNetwork(job.network, { ...edges.environment, ...job.environment });
    const files = writeJobFiles(jobFilesFolder(edges, job.id), wantedFiles(edges, job, network !== 'none'), user);
    const giveBack = await lendMounts(job.mounts, user, [edges.paths.state, edges.paths.home]);
    try {
      const memoryBytes = await memoryLimitBytes(edges.connection, edges.config.docker.memoryGib);
      const gpu = job.gpu ? await visibleGpu(edges) : undefined;
      if (job.gpu && !gpu) await warnOfUnusedGpu(edges, streams.onStderr);
      const { projectId } = edges.paths;
      return await attend(edges, job, { projectId, image, user, network, memoryBytes, gpu, ...files }, streams);
    } finally {
      giveBack();
    }
  } finally {
    removeJobFiles(jobFilesFolder(edges, job.id));
  }
}

/** Only what leaves the machine needs a token, or certificates. */
function wantedFiles(edges: DockerEdges, job: Job, outside: boolean): Parameters<typeof writeJobFiles>[1] {
  if (!outside) return { token: undefined, certificates: undefined };
  const certificates = certificatesFile(edges.environment, edges.config.docker.certificates);
  return { token: job.environment[tokenVariable], certificates };
}

function jobFilesFolder(edges: DockerEdges, id: string): string {
  return join(edges.paths.run, 'jobs', id);
}

/** Training on the CPU beside an idle GPU is rarely what the person wants, but it is their machine. */
async function warnOfUnusedGpu(edges: DockerEdges, onLine: (line: string) => void): Promise<void> {
  if (edges.config.gpu === 'off' || !(await seesGpu(edges.environment))) return;
  onLine(
    'This machine has a GPU that Docker cannot give to a container: going on with the CPU. mlx doctor names the fix.',
  );
}

/** Ends what is left of a job whose owner died. True when something was there. */
export async function stopJob(edges: DockerEdges, id: string): Promise<boolean> {
  const containers = await jobContainers(edges, id);
  for (const { Id } of containers) {
    await stopContainer(edges.connection, Id, leftoverGraceSeconds);
    await removeContainer(edges.connection, Id);
  }
  removeJobFiles(jobFilesFolder(edges, id));
  return containers.length > 0;
}

async function attend(edges: DockerEdges, job: Job, plan: JobPlan, streams: JobStreams): Promise<JobExit> {
  const sealed = plan.network === 'none';
  if (streams.signal.aborted) return { status: 130, signal: null, outOfMemory: false, seal: 'container' };
  const run = jobRun(job, plan);
  try {
    await compose(edges.connection, { ...run, folder: composeFolder(edges) });
    const ended = await follow(edges.connection, run.project, streams);
    return containerExit(ended.State, sealed);
  } finally {
    await removeContainer(edges.connection, run.project);
  }
}

async function follow(connection: Connection, container: string, streams: JobStreams): Promise<ContainerInspectInfo> {
  const stop = () => void stopContainer(connection, container, checkpointGraceMs / 1000).catch(() => undefined);
  streams.signal.addEventListener('abort', stop, { once: true });
  if (streams.signal.aborted) stop();
  try {
    await Promise.all([
      followStreams(connection, container, streams),
      ask(connection, (docker) => docker.getContainer(container).wait() as Promise<unknown>),
    ]);
    return await ask(connection, (docker) => docker.getContainer(container).inspect());
  } finally {
    streams.signal.removeEventListener('abort', stop);
  }
}

/** A container of the same job that has ended is only in the way; one that runs has somebody waiting for it, or an owner who died. */
async function refuseIfRunning(edges: DockerEdges, id: string): Promise<void> {
  for (const { Id, State } of await jobContainers(edges, id)) {
    if (State === 'running') {
      throw new MlxError('BUSY', `The container of ${id} still runs.`, { hint: `See what it does: mlx logs ${id} -f` });
    }
    await removeContainer(edges.connection, Id);
  }
}

export function jobContainers(edges: DockerEdges, id: string): Promise<{ Id: string; State: string }[]> {
  const filters = labelFilters({ [label.project]: edges.paths.projectId, [label.job]: id });
  return ask(edges.connection, (docker) => docker.listContainers({ all: true, filters }));
}

/** 304: it has ended already. */
async function stopContainer(connection: Connection, id: string, seconds: number): Promise<void> {
  try {
    await askMaybe(connection, (docker) => docker.getContainer(id).stop({ t: seconds }) as Promise<unknown>);
  } catch (error) {
    if (answeredStatus(error) !== 304) throw error;
  }
}

/** 409: it is being removed by somebody else at the moment. */
async function removeContainer(connection: Connection, id: string): Promise<void> {
  try {
    await askMaybe(connection, (docker) => docker.getContainer(id).remove({ force: true }) as Promise<unknown>);
  } catch (error) {
    if (answeredStatus(error) !== 409) throw error;
  }
}
