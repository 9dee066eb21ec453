// Virtual environments in MLX_HOME/venvs, one for each hashed lock: built aside, then renamed, so that there is a whole one or none.
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';

import { packageRoot, type HomePaths } from '../../config/paths.js';
import { errorCode, MlxError } from '../../errors.js';
import type { OnProgress, Runtime, RuntimeDescription, RuntimeName } from '../engine.js';
import { withLock } from '../lock.js';
import { packageName } from '../package-name.js';
import { buildVenv, diskHint } from './install.js';
import { findPython } from './python.js';

export type Venv = { folder: string; python: string; lock: string };

/** Which lock a runtime is installed from. Without a GPU the server is transformers' own, which the trainer's lock holds already. */
export function lockName(runtime: RuntimeName, gpu: boolean): string {
  if (runtime === 'mlflow') return 'mlflow';
  return runtime === 'server' && gpu ? 'server-cuda' : 'trainer';
}

/** The same lock on the same series of Python and the same kind of machine gives the same folder. */
export function venvFolder(home: HomePaths, lock: string, lockText: string, pythonVersion: string): string {
  const series = pythonVersion.split('.').slice(0, 2).join('.');
  const key = [lockText, series, process.platform, process.arch].join('\n');
  return join(home.venvs, `${lock}-${createHash('sha256').update(key).digest('hex').slice(0, 12)}`);
}

/** Reads what is there and installs nothing. @throws MlxError PYTHON_MISSING */
export async function describeVenv(
  lock: string,
  home: HomePaths,
  environment: NodeJS.ProcessEnv,
  id?: string,
): Promise<RuntimeDescription> {
  const lockText = readFileSync(lockFileOf(lock), 'utf8');
  const reference = `${lock}.txt@${createHash('sha256').update(lockText).digest('hex').slice(0, 16)}`;
  const python = await findPython(environment);
  const folder = id === undefined ? venvFolder(home, lock, lockText, python.version) : join(home.venvs, id);
  if (!existsSync(join(folder, 'bin', 'python'))) {
    return { reference, id: undefined, python: undefined, installed: undefined };
  }
  return { reference, id: basename(folder), python: python.version, installed: installedPackages(folder) };
}

/** One that stands there already, by its id. @throws MlxError RUNTIME_GONE */
export function requireVenv(home: HomePaths, id: string, lock: string): Venv {
  const folder = join(home.venvs, id);
  const venv = { folder, python: join(folder, 'bin', 'python'), lock };
  if (isWhole(venv)) return venv;
  throw new MlxError('RUNTIME_GONE', `The environment ${id} is no longer in ${home.venvs}.`, {
    hint: 'Run the command again: it then takes the one of today.',
  });
}

/** Each package leaves a folder NAME-VERSION.dist-info (https://packaging.python.org/en/latest/specifications/recording-installed-packages/). */
function installedPackages(folder: string): Record<string, string> {
  const library = join(folder, 'lib');
  const versions: Record<string, string> = {};
  for (const series of readdirSync(library).filter((name) => name.startsWith('python'))) {
    for (const entry of readdirSync(join(library, series, 'site-packages'))) {
      const { name, version } = /^(?<name>.+)-(?<version>[^-]+)\.dist-info$/.exec(entry)?.groups ?? {};
      if (name !== undefined && version !== undefined) versions[packageName(name)] = version;
    }
  }
  return versions;
}

export function venvRuntime(name: RuntimeName, venv: Venv): Runtime {
  return { name, id: basename(venv.folder), reference: `${venv.lock}.txt` };
}

/** Already there, or built now. @throws MlxError PYTHON_MISSING, UV_MISSING, DISK_FULL, OFFLINE, INSTALL_FAILED */
export async function ensureVenv(
  lock: string,
  home: HomePaths,
  environment: NodeJS.ProcessEnv,
  onProgress: OnProgress,
  signal: AbortSignal,
): Promise<Venv> {
  const lockFile = lockFileOf(lock);
  const python = await findPython(environment);
  const folder = venvFolder(home, lock, readFileSync(lockFile, 'utf8'), python.version);
  const venv = { folder, python: join(folder, 'bin', 'python'), lock };
  if (isWhole(venv)) return venv;
  const build = { python, home, environment, onProgress, signal };
  const onWait = () => onProgress(`another mlx is installing ${lock}: waiting for it`);
  try {
    await withLock(
      `${folder}.lock`,
      async () => {
        if (!isWhole(venv)) await buildVenv(venv, lockFile, build);
      },
      { signal, onWait },
    );
  } catch (error) {
    throw wrapFileError(error, home, lock);
  }
  return venv;
}

function lockFileOf(lock: string): string {
  return join(packageRoot(), 'recipes', 'requirements', `${lock}.txt`);
}

function wrapFileError(error: unknown, home: HomePaths, lock: string): unknown {
  const code = errorCode(error);
  if (code === 'ENOSPC') {
    return new MlxError('DISK_FULL', `The disk that holds ${home.home} is full.`, {
      cause: error,
      hint: diskHint(lock),
    });
  }
  if (code === undefined || !['EACCES', 'EROFS', 'EPERM', 'ENOTDIR'].includes(code)) return error;
  return new MlxError('HOME_NOT_WRITABLE', `${home.home} may not be written to (${code}).`, {
    cause: error,
    hint: 'Set MLX_HOME to a folder of your own.',
  });
}

/** The link to an interpreter that was uninstalled leads nowhere: such an environment is built again. */
function isWhole(venv: Venv): boolean {
  return existsSync(venv.python);
}
