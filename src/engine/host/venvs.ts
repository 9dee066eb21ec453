// Virtual environments in MLX_HOME/venvs, one for each hashed lock: built aside, then renamed, so that there is a whole one or none.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { lookup } from 'node:dns/promises';
import { mkdir, rename, rm, statfs } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

import { packageRoot, type HomePaths } from '../../config/paths.js';
import { errorCode, MlxError } from '../../errors.js';
import type { OnProgress, Runtime, RuntimeName } from '../engine.js';
import { runProgram } from '../exec.js';
import { withLock } from '../lock.js';
import { ensureUv, findPython, type Python } from './python.js';

export type Venv = { folder: string; python: string; lock: string };

/** Below this, an install that failed most likely failed for it. */
const leastFreeBytes = 2 ** 30;

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
  const lockFile = join(packageRoot(), 'recipes', 'requirements', `${lock}.txt`);
  const python = await findPython(environment);
  const folder = venvFolder(home, lock, readFileSync(lockFile, 'utf8'), python.version);
  const venv = { folder, python: join(folder, 'bin', 'python'), lock };
  if (isWhole(venv)) return venv;
  await withLock(
    `${folder}.lock`,
    async () => {
      if (!isWhole(venv)) await buildVenv(venv, lockFile, { python, home, environment, onProgress, signal });
    },
    { signal, onWait: () => onProgress(`another mlx is installing ${lock}: waiting for it`) },
  );
  return venv;
}

type Build = {
  python: Python;
  home: HomePaths;
  environment: NodeJS.ProcessEnv;
  onProgress: OnProgress;
  signal: AbortSignal;
};

/** The link to an interpreter that was uninstalled leads nowhere: such an environment is built again. */
function isWhole(venv: Venv): boolean {
  return existsSync(venv.python);
}

async function buildVenv(venv: Venv, lockFile: string, build: Build): Promise<void> {
  const { python, home, onProgress, signal } = build;
  const uv = await ensureUv(build.environment, home, python, onProgress, signal);
  // Index, proxy, certificate and cache settings of the person stay as they are.
  const environment = { ...build.environment, UV_PYTHON_DOWNLOADS: 'never', VIRTUAL_ENV: undefined };
  const building = `${venv.folder}.building`;
  await rm(building, { recursive: true, force: true });
  await mkdir(dirname(building), { recursive: true });
  onProgress(`installing ${basename(lockFile)} with uv ${uv.version} for Python ${python.version}, compiled`);
  const make = ['venv', '--quiet', '--no-project', '--relocatable', '--python', python.executable, building];
  const install = ['pip', 'install', '--python', join(building, 'bin', 'python'), '--no-deps', '--require-hashes'];
  for (const args of [make, [...install, '--compile-bytecode', '-r', lockFile]]) {
    const lines: string[] = [];
    const onLine = (line: string) => {
      lines.push(line);
      // One line a package at the end tells nothing that the lock does not.
      if (line.trim() !== '' && !line.startsWith(' + ')) onProgress(line.trim());
    };
    const exit = await runProgram({ file: uv.file, args, environment }, { signal, onStdout: onLine, onStderr: onLine });
    if (exit.status === 0) continue;
    await rm(building, { recursive: true, force: true });
    signal.throwIfAborted();
    throw await installError(venv, environment, lines.slice(-12));
  }
  await rm(venv.folder, { recursive: true, force: true });
  await rename(building, venv.folder);
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
        hint: 'Free about 7 GiB, or set MLX_HOME (and UV_CACHE_DIR) to a larger disk, then run the command again.',
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
