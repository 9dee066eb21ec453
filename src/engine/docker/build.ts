// One image build with Buildx: its command line, the machine's proxies, certificates and package indexes, its failures.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { MlxError } from '../../errors.js';
import type { OnProgress } from '../engine.js';
import type { BuildAccess } from './build-access.js';
import { buildProgress } from './build-progress.js';
import { runDocker } from './cli.js';
import { ask, type Connection } from './connection.js';
import { diskWatch } from './disk.js';

export type Build = {
  title: string;
  dockerfile: string;
  context: string;
  buildArguments: Record<string, string>;
  labels: Record<string, string>;
  /** Without one the image has its id only. */
  tag?: string;
};

/** @returns the image's id. @throws MlxError BUILD_FAILED, DISK_FULL, DOCKER_UNREACHABLE, INTERRUPTED */
export async function buildImage(
  connection: Connection,
  build: Build,
  access: BuildAccess,
  onProgress: OnProgress,
  signal: AbortSignal,
): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'mlx-build-'));
  const progress = buildProgress(build.title, onProgress);
  const disk = await diskWatch(connection);
  try {
    const exit = await runDocker(connection, {
      args: buildArgs(build, access, join(folder, 'id')),
      variables: { [packageSettingsVariable]: access.packageSettings },
      onStdout: progress.read,
      onStderr: progress.read,
      signal,
      ownGroup: true,
    });
    if (signal.aborted)
      throw new MlxError('INTERRUPTED', `Building ${build.title} was interrupted; nothing was made.`, {
        hint: 'Repeat the command: layers that were finished are taken over.',
      });
    if (exit.status !== 0) throw await buildFailure(connection, build, progress.lastLines(), disk.isFull());
    return readFileSync(join(folder, 'id'), 'utf8').trim();
  } finally {
    disk.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

const packageSettingsVariable = 'MLX_PACKAGE_SETTINGS';

/** Pure: the command line without `docker`. Secrets and proxies are named in it, their values are not. */
export function buildArgs(build: Build, access: BuildAccess, idFile: string): string[] {
  const pairs = (flag: string, values: Record<string, string>) =>
    Object.entries(values)
      .sort(([one], [other]) => (one < other ? -1 : 1))
      .flatMap(([name, value]) => [flag, `${name}=${value}`]);
  return [
    ...['buildx', 'build', '--load', '--progress', 'rawjson', '--provenance', 'false', '--iidfile', idFile],
    ...['--file', build.dockerfile],
    ...(build.tag === undefined ? [] : ['--tag', build.tag]),
    ...pairs('--label', build.labels),
    ...pairs('--build-arg', build.buildArguments),
    ...access.proxyVariables.flatMap((name) => ['--build-arg', name]),
    ...(access.hostNetwork ? ['--network', 'host'] : []),
    ...(access.certificates === undefined ? [] : ['--secret', `id=certificates,src=${access.certificates}`]),
    ...(access.packageSettings === '' ? [] : ['--secret', `id=package_settings,env=${packageSettingsVariable}`]),
    build.context,
  ];
}

async function buildFailure(connection: Connection, build: Build, last: string[], diskFull: boolean): Promise<Error> {
  await ask(connection, (docker) => docker.ping());
  const lines = last.join('\n');
  if (diskFull) {
    return new MlxError('DISK_FULL', `The disk of Docker was full while building ${build.title}:\n${lines}`, {
      hint: 'See what uses it: docker system df (then for example: docker builder prune)',
    });
  }
  return new MlxError('BUILD_FAILED', `Building ${build.title} failed:\n${lines}`, {
    hint:
      'Look at the last lines. From here the build gets proxies (HTTPS_PROXY), the index (UV_DEFAULT_INDEX, PIP_INDEX_URL), ' +
      'certificates and the base image (docker.certificates and docker.base_image in mlx.yaml); mlx doctor checks the way out',
  });
}
