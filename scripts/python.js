// The Python side of checks and tests: the same search for Python, uv and virtual environments that mlx itself uses,
// taken from the bundle (scripts/ensure.js has built it).
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('..', import.meta.url));

/** ruff and pytest in an environment of their own, installed on first use; or the reason why there is none. */
export async function developmentTools(say) {
  try {
    const { folder, python } = await ensureVenv('dev', say);
    return { ruff: join(folder, 'bin', 'ruff'), packages: packagesOf(python) };
  } catch (error) {
    return { reason: reasonOf(error) };
  }
}

/** The folder that holds pytest. */
function packagesOf(python) {
  const question = 'import sysconfig; print(sysconfig.get_path("purelib"))';
  return execFileSync(python, ['-c', question], { encoding: 'utf8' }).trim();
}

/** Why nothing in Python can run here; undefined when it can. */
export async function pythonMissing() {
  try {
    const { findPython } = await import('../dist/python.js');
    await findPython(process.env);
    return undefined;
  } catch (error) {
    return reasonOf(error);
  }
}

/** Python with the trainer's packages, when they are installed already: 6 GB are nothing to install for a check. */
export async function trainerPython() {
  const { venvFolder } = await import('../dist/venvs.js');
  const { findPython } = await import('../dist/python.js');
  const { version } = await findPython(process.env);
  const lock = readFileSync(join(root, 'recipes', 'requirements', 'trainer.txt'), 'utf8');
  const python = join(venvFolder(await home(), 'trainer', lock, version), 'bin', 'python');
  return existsSync(python) ? python : undefined;
}

/** @throws what mlx throws: with a code, and a hint for people */
export async function ensureVenv(lock, say) {
  const venvs = await import('../dist/venvs.js');
  return venvs.ensureVenv(lock, await home(), process.env, say, new AbortController().signal);
}

export function reasonOf(error) {
  if (error.code === undefined) throw error;
  return error.message.split('\n')[0];
}

async function home() {
  const { homePaths } = await import('../dist/paths.js');
  return homePaths(process.env);
}
