// Installs a hashed lock into a new virtual environment with uv, aside from where it will be.
import { lookup } from 'node:dns/promises';
import { rename, rm, statfs } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

import type { HomePaths } from '../../config/paths.js';
import { errorCode, MlxError } from '../../errors.js';
import type { OnProgress } from '../engine.js';
import { runProgram } from '../exec.js';
import { freshBuildFolder } from './build-folder.js';
import { companyEnvironment } from '../package-index.js';
import { ensureUv, type Python } from './python.js';
import { sealPlan } from './seal.js';
import type { Venv } from './venvs.js';

/** What an installed lock takes, with the downloads that it came from. */
const neededGib: Record<string, number> = { mlflow: 2, trainer: 12, 'server-cuda': 20 };

/** Below this, an install that failed most likely failed for it. */
const leastFreeBytes = 2 ** 30;

export type Build = {
  python: Python;
  home: HomePaths;
  environment: NodeJS.ProcessEnv;
  onProgress: OnProgress;
  signal: AbortSignal;
};

/** The lock of `venv` must be held. @throws MlxError UV_MISSING, DISK_FULL, OFFLINE, INSTALL_FAILED */
export async function buildVenv(venv: Venv, lockFile: string, build: Build): Promise<void> {
  const { python, home, onProgress, signal } = build;
  const uv = await ensureUv(build.environment, home, python, onProgress, signal);
  const building = await freshBuildFolder(venv.folder);
  onProgress(`installing ${basename(lockFile)} with uv ${uv.version} for Python ${python.version}, compiled`);
  const problem = await installInto(building, lockFile, uv.file, build);
  if (problem !== undefined) {
    // The free space is looked at before the half-made folder gives some back.
    const failure = await installError(venv, build.environment, problem.slice(-6));
    await rm(building, { recursive: true, force: true });
    signal.throwIfAborted();
    throw failure;
  }
  await rm(venv.folder, { recursive: true, force: true });
  await rename(building, venv.folder);
}

/** @returns what uv said when it could not */
async function installInto(folder: string, lockFile: string, uv: string, build: Build): Promise<string[] | undefined> {
  const { python, environment, signal, onProgress } = build;
  const interpreter = join(folder, 'bin', 'python');
  const make = ['venv', '--quiet', '--no-project', '--relocatable', '--python', python.executable, folder];
  const install = ['pip', 'install', '--python', interpreter, '--no-deps', '--require-hashes', '--compile-bytecode'];
  const words = [...install, '-r', lockFile];
  const unmade = await runUv(uv, make, environment, build);
  if (unmade !== undefined) return unmade;
  // Index, proxy, certificate and cache settings of the person stay as they are ...
  const first = await runUv(uv, words, environment, build);
  if (first === undefined || signal.aborted || environment['UV_OFFLINE']) return first;
  onProgress("that failed: once more, with pip's index and the system's certificates");
  // ... and in a company they are often written down for pip alone.
  return runUv(uv, words, await companyEnvironment(python.executable, environment), build);
}

async function runUv(
  uv: string,
  args: string[],
  environment: NodeJS.ProcessEnv,
  { onProgress, signal }: Build,
): Promise<string[] | undefined> {
  const lines: string[] = [];
  const onLine = (line: string) => {
    lines.push(line);
    // One line a package at the end tells nothing that the lock does not.
    if (line.trim() !== '' && !line.startsWith(' + ')) onProgress(line.trim());
  };
  // A uv that outlived its mlx would go on writing while the next one builds.
  const { life } = await sealPlan(environment);
  const [file = '', ...words] = [...life, uv, ...args];
  const own = { ...environment, UV_PYTHON_DOWNLOADS: 'never', VIRTUAL_ENV: undefined };
  const program = { file, args: words, environment: own };
  const exit = await runProgram(program, { signal, onStdout: onLine, onStderr: onLine });
  return exit.status === 0 ? undefined : lines;
}

export function diskHint(lock: string): string {
  return `Free about ${neededGib[lock] ?? 12} GiB, or set MLX_HOME and UV_CACHE_DIR to a larger disk; then run the command again.`;
}

/** uv has one exit status for everything, so the two usual reasons are looked for: a full disk, and an index out of reach. */
async function installError(venv: Venv, environment: NodeJS.ProcessEnv, lines: string[]): Promise<MlxError> {
  const disk = await statfs(dirname(venv.folder));
  const freeBytes = disk.bavail * disk.bsize;
  const said = lines.join('\n');
  if (freeBytes < leastFreeBytes) {
    const freeMib = Math.round(freeBytes / 2 ** 20);
    return new MlxError(
      'DISK_FULL',
      `${venv.lock} could not be installed: ${freeMib} MiB are free for ${venv.folder}.\n${said}`,
      {
        hint: diskHint(venv.lock),
      },
    );
  }
  const host = indexHost(environment);
  if (environment['UV_OFFLINE'] || !(await resolves(host, environment))) {
    return new MlxError(
      'OFFLINE',
      `${venv.lock} could not be installed: the package index ${host} is out of reach.\n${said}`,
      {
        hint: 'Set UV_DEFAULT_INDEX to an index that this machine reaches, or HTTPS_PROXY, then run the command again.',
      },
    );
  }
  return new MlxError('INSTALL_FAILED', `uv could not install ${venv.lock}.txt:\n${said}`, {
    hint: 'Run the command again (downloads are kept); if it stays, see: mlx doctor',
  });
}

function indexHost(environment: NodeJS.ProcessEnv): string {
  const index = environment['UV_DEFAULT_INDEX'] ?? environment['UV_INDEX_URL'];
  return index !== undefined && URL.canParse(index) ? new URL(index).hostname : 'pypi.org';
}

/** Behind a proxy names need not resolve here. */
async function resolves(host: string, environment: NodeJS.ProcessEnv): Promise<boolean> {
  if (environment['HTTPS_PROXY'] ?? environment['https_proxy'] ?? environment['ALL_PROXY']) return true;
  try {
    await lookup(host);
    return true;
  } catch (error) {
    if (errorCode(error) === undefined) throw error;
    return false;
  }
}
