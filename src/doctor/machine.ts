// What the checks look at: this machine, the project around (if any), and the engine that would be used. Read once.
import type { HomePaths, Paths } from '../config/paths.js';
import { configSchema, type Config } from '../config/schema.js';
import { toConfig } from '../config/load.js';
import { connectionTo, ask as askEngine, engineInformation } from '../engine/docker/connection.js';
import { dockerGpu, type DockerGpu } from '../engine/docker/gpu.js';
import type { EngineKind } from '../engine/engine.js';
import { askProgram } from '../engine/exec.js';
import { errorCode, MlxError } from '../errors.js';

export type Answer = { status: number | null; stdout: string };

/** Asks a program a quick question; undefined when there is no such program. */
export type Ask = (file: string, ...args: string[]) => Promise<Answer | undefined>;

export type DockerState =
  | { reachable: true; version: string; rootFolder: string | undefined; gpu: DockerGpu | undefined }
  | { reachable: false; what: string; fix: string };

export type Machine = {
  environment: NodeJS.ProcessEnv;
  home: HomePaths;
  /** undefined outside a project. */
  project: Paths | undefined;
  config: Config;
  /** Why mlx.yaml could not be read; the defaults stand in for it. */
  configError: MlxError | undefined;
  engine: { kind: EngineKind; why: string };
  docker: DockerState;
  ask: Ask;
  signal: AbortSignal;
};

export type MachineEdges = {
  flags: { engine: EngineKind | undefined };
  environment: NodeJS.ProcessEnv;
  home: HomePaths;
  signal: AbortSignal;
  paths: () => Paths;
  config: () => Promise<Config>;
};

export async function readMachine(edges: MachineEdges): Promise<Machine> {
  const { environment, home, signal } = edges;
  const [project, docker] = await Promise.all([readProject(edges), readDocker(environment)]);
  const ask: Ask = (file, ...args) => askProgram({ file, args, environment }, 60_000);
  const engine = chosenEngine(edges.flags.engine, project.config.engine, docker.reachable);
  return { environment, home, signal, ...project, docker, engine, ask };
}

/** The same choice as engine/open.ts makes, with its reason. */
export function chosenEngine(
  asked: EngineKind | undefined,
  configured: Config['engine'],
  dockerAnswers: boolean,
): Machine['engine'] {
  if (asked) return { kind: asked, why: 'asked for with --engine' };
  if (configured !== 'auto') return { kind: configured, why: 'set in mlx.yaml or MLX_ENGINE' };
  return dockerAnswers
    ? { kind: 'docker', why: 'a Docker Engine answers' }
    : { kind: 'host', why: 'no Docker Engine answers' };
}

async function readProject(edges: MachineEdges): Promise<Pick<Machine, 'project' | 'config' | 'configError'>> {
  const defaults = toConfig(configSchema.parse({}), process.cwd());
  let project: Paths | undefined;
  try {
    project = edges.paths();
    return { project, config: await edges.config(), configError: undefined };
  } catch (error) {
    if (!(error instanceof MlxError)) throw error;
    return { project, config: defaults, configError: project === undefined ? undefined : error };
  }
}

async function readDocker(environment: NodeJS.ProcessEnv): Promise<DockerState> {
  const connection = connectionTo(environment);
  try {
    const { Version: version } = await askEngine(connection, (docker) => docker.version());
    const information = await engineInformation(connection);
    return { reachable: true, version, rootFolder: information.DockerRootDir, gpu: dockerGpu(information) };
  } catch (error) {
    if (!(error instanceof MlxError)) throw error;
    return { reachable: false, what: error.message, fix: dockerFix(errorCode(error.cause)) };
  }
}

function dockerFix(code: string | undefined): string {
  if (code === 'EACCES') return 'sudo usermod -aG docker "$USER", then log in again';
  const start = process.platform === 'linux' ? 'sudo systemctl start docker' : 'start Docker Desktop';
  return `${start} (not installed: https://docs.docker.com/engine/install/), or work without it: --engine host`;
}
