// The way to the Engine: dockerode and the docker CLI, both pointed at the same one (DOCKER_HOST, then the CLI's context).
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

import Docker from 'dockerode';

import { errorCode, MlxError } from '../../errors.js';

export type Connection = {
  docker: Docker;
  /** For the docker CLI: complete, and without settings that would redirect Compose to other files. */
  environment: NodeJS.ProcessEnv;
  /** `unix:///var/run/docker.sock`; undefined: the CLI's own default. */
  host: string | undefined;
};

/** How long an Engine may take to say that it is there. */
const answerMs = 2000;

/** A connection nobody has tried yet. */
export function connectionTo(environment: NodeJS.ProcessEnv): Connection {
  const host = engineHost(environment);
  return {
    docker: new Docker(modemOptions(host, environment)),
    environment: cliEnvironment(environment, contextName(environment)),
    host,
  };
}

/** The Engine's version text; undefined when none answers in time. */
export async function engineVersion(environment: NodeJS.ProcessEnv): Promise<string | undefined> {
  try {
    const hasty = new Docker({ ...modemOptions(engineHost(environment), environment), timeout: answerMs });
    return (await hasty.version()).Version;
  } catch {
    return undefined;
  }
}

/** One question to the Engine. @throws MlxError DOCKER_UNREACHABLE when it is gone; its own refusals pass through */
export async function ask<Answer>(
  connection: Connection,
  question: (docker: Docker) => Promise<Answer>,
): Promise<Answer> {
  try {
    return await question(connection.docker);
  } catch (error) {
    throw isUnreachable(error) ? unreachable(connection, error) : error;
  }
}

/** What the Engine says about itself, as far as we ask. */
export type EngineInformation = {
  DockerRootDir?: string;
  MemTotal?: number;
  SecurityOptions?: string[];
  Runtimes?: Record<string, unknown>;
  /** Devices that the container toolkit described for CDI; since Engine 28. */
  DiscoveredDevices?: { ID?: string }[] | null;
};

export function engineInformation(connection: Connection): Promise<EngineInformation> {
  return ask(connection, (docker) => docker.info() as Promise<EngineInformation>);
}

/** As `ask`; undefined when what was asked about is not there. */
export async function askMaybe<Answer>(
  connection: Connection,
  question: (docker: Docker) => Promise<Answer>,
): Promise<Answer | undefined> {
  try {
    return await ask(connection, question);
  } catch (error) {
    if (answeredStatus(error) === 404) return undefined;
    throw error;
  }
}

/** The HTTP status of a refusal by the Engine. */
export function answeredStatus(error: unknown): number | undefined {
  if (typeof error !== 'object' || error === null || !('statusCode' in error)) return undefined;
  return typeof error.statusCode === 'number' ? error.statusCode : undefined;
}

const goneCodes = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'ENOENT',
  'EACCES',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'ABORT_ERR',
]);

/** The connection failed, as against an Engine that answered with a refusal. */
export function isUnreachable(error: unknown): boolean {
  return answeredStatus(error) === undefined && goneCodes.has(errorCode(error) ?? '');
}

export function unreachable(connection: Connection, cause: unknown): MlxError {
  const where = connection.host === undefined ? '' : ` at ${connection.host}`;
  const hint =
    errorCode(cause) === 'EACCES'
      ? 'Your user may not use it. Add it to the group docker (sudo usermod -aG docker "$USER", then log in again), or: --engine host'
      : 'Start Docker and repeat the command (mlx doctor shows what is missing), or work without it: --engine host';
  return new MlxError('DOCKER_UNREACHABLE', `The Docker Engine${where} does not answer.`, { cause, hint });
}

function cliEnvironment(environment: NodeJS.ProcessEnv, context: string | undefined): NodeJS.ProcessEnv {
  const kept = Object.entries(environment).filter(([name]) => !name.startsWith('COMPOSE_') && !name.startsWith('MLX_'));
  return {
    ...Object.fromEntries(kept),
    // The builder of the Engine itself: only that one sees images that are nowhere but here.
    BUILDX_BUILDER: context ?? 'default',
    BUILDX_GIT_INFO: 'false',
    DOCKER_CLI_HINTS: 'false',
  };
}

/** undefined: the CLI's default socket. */
function engineHost(environment: NodeJS.ProcessEnv): string | undefined {
  const context = contextName(environment);
  return context === undefined ? environment['DOCKER_HOST'] : contextHost(environment, context);
}

/** undefined: the CLI's default context, which is also the one that DOCKER_HOST changes. */
function contextName(environment: NodeJS.ProcessEnv): string | undefined {
  if (environment['DOCKER_HOST'] !== undefined) return undefined;
  const config = readJson(join(configFolder(environment), 'config.json'));
  const name = environment['DOCKER_CONTEXT'] ?? config?.['currentContext'];
  return typeof name === 'string' && name !== '' && name !== 'default' ? name : undefined;
}

/** The CLI keeps a context's address in a folder that is named by the hash of the context's name. */
function contextHost(environment: NodeJS.ProcessEnv, context: string): string | undefined {
  const folder = createHash('sha256').update(context).digest('hex');
  const meta = readJson(join(configFolder(environment), 'contexts', 'meta', folder, 'meta.json'));
  const host = (meta?.['Endpoints'] as { docker?: { Host?: unknown } } | undefined)?.docker?.Host;
  return typeof host === 'string' && host !== '' ? host : undefined;
}

function configFolder(environment: NodeJS.ProcessEnv): string {
  return environment['DOCKER_CONFIG'] ?? join(environment['HOME'] ?? homedir(), '.docker');
}

function readJson(file: string): Record<string, unknown> | undefined {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}

/** dockerode would read the process's own DOCKER_HOST over any key that is left out here. */
export function modemOptions(host: string | undefined, environment: NodeJS.ProcessEnv): Docker.DockerOptions {
  if (host === undefined) return onSocket(defaultSocket);
  if (host.startsWith('unix://')) return onSocket(host.slice('unix://'.length) || defaultSocket);
  const address = new URL(host.includes('://') ? host : `tcp://${host}`);
  const place = { host: address.hostname, port: Number(address.port || 2375) };
  if (address.protocol === 'ssh:') {
    const agent = environment['SSH_AUTH_SOCK'];
    return {
      protocol: 'ssh',
      host: address.hostname,
      port: Number(address.port || 22),
      username: address.username,
      ...(agent === undefined ? {} : { sshOptions: { agent } }),
    };
  }
  const certificates = environment['DOCKER_CERT_PATH'];
  if (environment['DOCKER_TLS_VERIFY'] === undefined || certificates === undefined)
    return { protocol: 'http', ...place };
  const read = (name: string) => readFileSync(join(certificates, name));
  return { protocol: 'https', ...place, ca: read('ca.pem'), cert: read('cert.pem'), key: read('key.pem') };
}

const defaultSocket = '/var/run/docker.sock';

function onSocket(socketPath: string): Docker.DockerOptions {
  return { socketPath, host: '' };
}
