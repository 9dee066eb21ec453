// Python, uv and the trainer's environment: what the host engine runs on. Containers bring their own.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { packageRoot } from '../config/paths.js';
import { ensureUv, findPython, findUv, type Python } from '../engine/host/python.js';
import { lockName, venvFolder } from '../engine/host/venvs.js';
import { MlxError } from '../errors.js';
import { fail, missing, ok, skip, warn, type Finding } from './finding.js';
import type { Machine } from './machine.js';

export async function checkPython(machine: Machine): Promise<Finding[]> {
  const python = await pythonOf(machine);
  if (!(python instanceof MlxError)) return [ok('python', `Python ${python.version} (${python.executable})`)];
  const why = 'The host engine trains and serves with it.';
  return [missing(machine.engine.kind === 'host', 'python', python.message, why, python.hint ?? '')];
}

export async function checkUv(machine: Machine): Promise<Finding[]> {
  try {
    const uv = await findUv(machine.environment, machine.home);
    if (uv) return [ok('uv', `uv ${uv.version} (${uv.file})`)];
  } catch (error) {
    if (!(error instanceof MlxError)) throw error;
    return [fail('uv', error.message, 'It installs the Python packages.', error.hint ?? 'Unset MLX_UV.')];
  }
  if (machine.engine.kind === 'docker') return [skip('uv', 'not installed; images bring their own')];
  return [
    warn('uv', 'uv is not installed', 'It installs the Python packages; the first run fetches it.', 'mlx doctor --fix'),
  ];
}

/** Safe: into MLX_HOME, nothing of the system changes. */
export async function fixUv(machine: Machine): Promise<string[]> {
  const python = await pythonOf(machine);
  if (machine.engine.kind !== 'host' || python instanceof MlxError) return [];
  if (await findUv(machine.environment, machine.home)) return [];
  const uv = await ensureUv(machine.environment, machine.home, python, () => undefined, machine.signal);
  return [`installed uv ${uv.version} (${uv.file})`];
}

export async function checkTrainerEnvironment(machine: Machine): Promise<Finding[]> {
  if (machine.engine.kind === 'docker') return [];
  const python = await trainerPython(machine);
  if (python !== undefined) return [ok('trainer packages', `installed (${python})`)];
  return [skip('trainer packages', 'not installed yet: the first run downloads about 3 GB and needs 6 GB of disk')];
}

/** The interpreter with torch, when it is installed. */
export async function trainerPython(machine: Machine): Promise<string | undefined> {
  const python = await pythonOf(machine);
  if (python instanceof MlxError) return undefined;
  const lock = lockName('trainer', false);
  const text = readFileSync(join(packageRoot(), 'recipes', 'requirements', `${lock}.txt`), 'utf8');
  const file = join(venvFolder(machine.home, lock, text, python.version), 'bin', 'python');
  return existsSync(file) ? file : undefined;
}

async function pythonOf(machine: Machine): Promise<Python | MlxError> {
  try {
    return await findPython(machine.environment);
  } catch (error) {
    if (error instanceof MlxError) return error;
    throw error;
  }
}
