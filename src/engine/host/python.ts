// Finds Python and uv on this machine. uv is installed under MLX_HOME when it is nowhere to be found.
import { existsSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import { join } from 'node:path';

import { MlxError } from '../../errors.js';
import type { HomePaths } from '../../config/paths.js';
import type { OnProgress } from '../engine.js';
import { askProgram, runProgram } from '../exec.js';
import { withLock } from '../lock.js';
import { freshBuildFolder } from './build-folder.js';

/** `executable` is the interpreter itself, never a shim or a virtual environment that may go away. */
export type Python = { executable: string; version: string };
export type Uv = { file: string; version: string };

/** The one that the locks were resolved with. */
const uvVersion = '0.13.8';
const oldestUv = [0, 5, 0];
/** What the locks in recipes/requirements hold for. */
const oldestPython = [3, 11];
const firstUnknownPython = [3, 14];
const question =
  'import json, platform, sys; print(json.dumps([getattr(sys, "_base_executable", None) or sys.executable, platform.python_version()]))';

/** @throws MlxError PYTHON_MISSING */
export async function findPython(environment: NodeJS.ProcessEnv): Promise<Python> {
  const asked = environment['MLX_PYTHON'];
  const names = asked ? [asked] : ['python3', 'python3.12', 'python3.13', 'python3.11', 'python'];
  const found: string[] = [];
  for (const name of names) {
    const python = await askPython(name, environment);
    if (python && isSupported(python.version)) return python;
    if (python) found.push(`${name} is ${python.version}`);
  }
  const where = asked ? `MLX_PYTHON (${asked})` : 'PATH';
  throw new MlxError(
    'PYTHON_MISSING',
    `No Python 3.11, 3.12 or 3.13 in ${where}${found.length > 0 ? `: ${found.join(', ')}` : ''}.`,
    { hint: pythonFix() },
  );
}

/** MLX_UV, then PATH, then our own. @throws MlxError UV_MISSING */
export async function findUv(environment: NodeJS.ProcessEnv, home: HomePaths): Promise<Uv | undefined> {
  const asked = environment['MLX_UV'];
  for (const file of asked ? [asked] : ['uv', ownUv(home)]) {
    const answer = await askProgram({ file, args: ['--version'], environment });
    const version = /^uv (\d+\.\d+\.\d+)/.exec(answer?.stdout ?? '')?.[1];
    if (answer?.status === 0 && version !== undefined && compare(version, oldestUv) >= 0) return { file, version };
  }
  if (asked === undefined) return undefined;
  throw new MlxError('UV_MISSING', `MLX_UV (${asked}) is no uv of ${oldestUv.join('.')} or newer.`, {
    hint: 'Unset MLX_UV: mlx then finds uv in PATH, or installs its own.',
  });
}

/** @throws MlxError UV_MISSING, PYTHON_MISSING (without the venv module) */
export async function ensureUv(
  environment: NodeJS.ProcessEnv,
  home: HomePaths,
  python: Python,
  onProgress: OnProgress,
  signal: AbortSignal,
): Promise<Uv> {
  const found = await findUv(environment, home);
  if (found) return found;
  await withLock(`${uvFolder(home)}.lock`, () => installUv(environment, home, python, onProgress, signal), { signal });
  return { file: ownUv(home), version: uvVersion };
}

async function installUv(
  environment: NodeJS.ProcessEnv,
  home: HomePaths,
  python: Python,
  onProgress: OnProgress,
  signal: AbortSignal,
): Promise<void> {
  if (existsSync(ownUv(home))) return;
  const building = await freshBuildFolder(uvFolder(home));
  onProgress(`uv is not in PATH: installing uv ${uvVersion} into ${uvFolder(home)}`);
  await runStep(
    { file: python.executable, args: ['-m', 'venv', building], environment },
    { code: 'PYTHON_MISSING', what: `${python.executable} cannot make a virtual environment`, hint: venvFix(python) },
    signal,
  );
  const install = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', `uv==${uvVersion}`];
  await runStep(
    { file: join(building, 'bin', 'python'), args: install, environment },
    {
      code: 'UV_MISSING',
      what: `pip could not install uv ${uvVersion}`,
      hint: 'Install uv yourself (https://docs.astral.sh/uv/) and set MLX_UV to it, or set PIP_INDEX_URL to your package index.',
    },
    signal,
  );
  await rename(building, uvFolder(home));
}

type Failure = { code: string; what: string; hint: string };

async function runStep(
  program: Parameters<typeof runProgram>[0],
  failure: Failure,
  signal: AbortSignal,
): Promise<void> {
  const lines: string[] = [];
  const keep = (line: string) => lines.push(line);
  const exit = await runProgram(program, { signal, onStdout: keep, onStderr: keep });
  if (exit.status === 0) return;
  signal.throwIfAborted();
  throw new MlxError(failure.code, [`${failure.what}:`, ...lines.slice(-8)].join('\n'), { hint: failure.hint });
}

async function askPython(file: string, environment: NodeJS.ProcessEnv): Promise<Python | undefined> {
  const answer = await askProgram({ file, args: ['-I', '-c', question], environment });
  if (answer?.status !== 0) return undefined;
  const [executable, version] = JSON.parse(answer.stdout) as [string, string];
  return { executable, version };
}

function isSupported(version: string): boolean {
  return compare(version, oldestPython) >= 0 && compare(version, firstUnknownPython) < 0;
}

function compare(version: string, limit: readonly number[]): number {
  const parts = version.split('.').map((part) => Number.parseInt(part, 10));
  for (const [index, part] of limit.entries()) {
    const difference = (parts[index] ?? 0) - part;
    if (difference !== 0) return difference;
  }
  return 0;
}

function uvFolder(home: HomePaths): string {
  return join(home.home, 'tools', `uv-${uvVersion}`);
}

function ownUv(home: HomePaths): string {
  return join(uvFolder(home), 'bin', 'uv');
}

function pythonFix(): string {
  const install = process.platform === 'darwin' ? 'brew install python@3.12' : 'sudo apt install python3 python3-venv';
  return `Install one (${install}; or: uv python install 3.12), or set MLX_PYTHON to it. Then: mlx doctor`;
}

function venvFix(python: Python): string {
  const series = python.version.split('.').slice(0, 2).join('.');
  return `Install its venv module (sudo apt install python${series}-venv), or uv (https://docs.astral.sh/uv/).`;
}
