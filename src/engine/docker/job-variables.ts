// What compose/train.yaml is filled with for a job, and the command that it runs. Pure.
import { placeMounts } from '../argv.js';
import type { Job, Mount } from '../engine.js';
import { userVariables, type ContainerUser } from './container-user.js';
import { gpuFiles, type DockerGpu } from './gpu.js';
import { composeProject, label } from './names.js';
import type { ContainerNetwork } from './network.js';

export type JobPlan = {
  projectId: string;
  image: string;
  user: ContainerUser;
  network: ContainerNetwork;
  memoryBytes: number;
  gpu: DockerGpu | undefined;
  /** Files that exist for the time of the job: what must not stand in an argv or in a container's settings. */
  tokenFile: string | undefined;
  certificatesFile: string | undefined;
};

export type JobRun = { project: string; files: string[]; variables: Record<string, string>; args: string[] };

/** Mounts for which the Compose file has a place; others are added to the command line. */
const places: Record<string, { variable: string; target: string; writable: boolean }> = {
  model: { variable: 'MLX_MODEL', target: '/mlx/model', writable: false },
  data: { variable: 'MLX_DATA', target: '/mlx/data', writable: false },
  spec: { variable: 'MLX_SPEC', target: '/mlx/spec.json', writable: false },
  out: { variable: 'MLX_OUT', target: '/mlx/out', writable: true },
};

/** Never in an argv, nor in the environment that `docker inspect` shows: handed over as a file. */
export const tokenVariable = 'HF_TOKEN';

export function jobRun(job: Job, plan: JobPlan): JobRun {
  const placed = placeMounts(job, location);
  const project = composeProject(plan.projectId, `job-${job.id}`);
  const environment = Object.entries(placed.environment).filter(([name]) => name !== tokenVariable);
  const added = job.mounts.filter((mount) => place(mount) === undefined);
  const [script = '', ...rest] = placed.argv;
  // A script of recipes/trainer by its name, or one that a mount brings along.
  const file = script.startsWith('/') ? script : `/mlx/trainer/${script}`;
  return {
    project,
    files: ['train.yaml', ...gpuFiles(plan.gpu)],
    variables: {
      ...Object.fromEntries(environment.filter(([name]) => !isOfTheCli(name))),
      ...proxyVariables(plan.network, Object.fromEntries(environment)),
      ...planVariables(job, plan),
    },
    args: [
      // Without its own end of stdin: a program that reads it would otherwise wait for ever.
      ...['run', '--detach', '--interactive=false', '--no-TTY', '--no-deps', '--name', project],
      ...['--label', `${label.job}=${job.id}`],
      ...added.flatMap((mount) => ['--volume', `${mount.source}:${location(mount)}${mount.writable ? '' : ':ro'}`]),
      // A name without a value: Compose takes it from the variables, so that no value is seen in the list of processes.
      ...environment.flatMap(([name, value]) => ['--env', isOfTheCli(name) ? `${name}=${value}` : name]),
      ...['job', 'python', file, ...rest],
    ],
  };
}

function planVariables(job: Job, plan: JobPlan): Record<string, string> {
  const sources = job.mounts.map((mount) => [place(mount)?.variable ?? '', mount.source] as const);
  return {
    // Required by the file; a job that writes nothing gets nothing to write to.
    MLX_OUT: '/dev/null',
    ...Object.fromEntries(sources.filter(([variable]) => variable !== '')),
    MLX_IMAGE: plan.image,
    ...userVariables(plan.user),
    MLX_NETWORK: plan.network,
    MLX_MEMORY: String(plan.memoryBytes),
    MLX_PROJECT: plan.projectId,
    MLX_RUN: job.id,
    ...(plan.network === 'none' ? {} : { HF_HUB_OFFLINE: job.environment['HF_HUB_OFFLINE'] ?? '0' }),
    ...(plan.tokenFile === undefined ? {} : { MLX_HF_TOKEN_FILE: plan.tokenFile }),
    ...(plan.certificatesFile === undefined ? {} : { MLX_CERTIFICATES: plan.certificatesFile }),
  };
}

const outsideNames = ['HF_ENDPOINT', 'HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY'];

/** The Compose file hands these on from the shell. A sealed job has no use for them, and proxies may hold a password. */
function proxyVariables(network: ContainerNetwork, environment: Record<string, string>): Record<string, string> {
  const value = (name: string) =>
    network === 'none' ? '' : (environment[name] ?? environment[name.toLowerCase()] ?? '');
  return Object.fromEntries(outsideNames.map((name) => [name, value(name)]));
}

/** Variables that the docker CLI itself would take as its own. */
function isOfTheCli(name: string): boolean {
  return ['HOME', 'PATH', 'TMPDIR'].includes(name) || /^(DOCKER|COMPOSE|BUILDX|BUILDKIT)_/.test(name);
}

function location(mount: Mount): string {
  return place(mount)?.target ?? `/mlx/mounts/${mount.name}`;
}

function place(mount: Mount): (typeof places)[string] | undefined {
  const found = places[mount.name];
  return found?.writable === mount.writable ? found : undefined;
}
