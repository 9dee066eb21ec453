// Where the files of a project and of the user lie (docs: design of the folders in ARCHITECTURE.md).
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

import { MlxError } from '../errors.js';

export type HomePaths = {
  /** MLX_HOME or ~/.mlx: what projects share. */
  home: string;
  models: string;
  venvs: string;
};

export type Paths = HomePaths & {
  /** The folder that holds mlx.yaml. */
  project: string;
  /** Ten hex digits of the project's real path: names containers, sockets and images of this project alone. */
  projectId: string;
  configFile: string;
  recipes: string;
  prompts: string;
  /** .mlx: everything that is not committed. */
  state: string;
  ledgerFile: string;
  /** One row a request of the gateway. */
  trafficFile: string;
  /** What was asked and answered on routes that capture it, redacted. */
  captures: string;
  runs: string;
  images: string;
  /** Rows and weights by their SHA-256. */
  store: string;
  /** Pid files and service state. */
  run: string;
  secrets: string;
  /** Short enough for a unix socket (108 bytes), see `socketFolder`. */
  sockets: string;
};

export function homePaths(environment: NodeJS.ProcessEnv): HomePaths {
  const home = resolve(environment['MLX_HOME'] || join(environment['HOME'] || homedir(), '.mlx'));
  return { home, models: join(home, 'models'), venvs: join(home, 'venvs') };
}

/** Looks for mlx.yaml in `start` and the folders above it. */
export function findPaths(start: string, environment: NodeJS.ProcessEnv): Paths {
  let folder = resolve(start);
  while (!existsSync(join(folder, 'mlx.yaml'))) {
    const parent = dirname(folder);
    if (parent === folder) {
      throw new MlxError('PROJECT_NOT_FOUND', `There is no mlx.yaml in ${resolve(start)} or any folder above it.`, {
        hint: 'Make a project here: mlx init (or name one: add -C FOLDER)',
      });
    }
    folder = parent;
  }
  return projectPaths(folder, environment);
}

export function projectPaths(project: string, environment: NodeJS.ProcessEnv): Paths {
  const state = join(project, '.mlx');
  const projectId = createHash('sha256').update(project).digest('hex').slice(0, 10);
  const run = join(state, 'run');
  return {
    ...homePaths(environment),
    project,
    projectId,
    configFile: join(project, 'mlx.yaml'),
    recipes: join(project, 'recipes'),
    prompts: join(project, 'prompts'),
    state,
    ledgerFile: join(state, 'ledger.db'),
    trafficFile: join(state, 'traffic.db'),
    captures: join(state, 'captures'),
    runs: join(state, 'runs'),
    images: join(state, 'images'),
    store: join(state, 'store'),
    run,
    secrets: join(state, 'secrets'),
    sockets: socketFolder(run, projectId, environment),
  };
}

/** The folder of the package itself: compose/, recipes/, templates/. Works from src/ and from dist/. */
export function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json'))) folder = dirname(folder);
  return folder;
}

/** A unix socket's path is at most 107 bytes on Linux and 103 on macOS; our longest name in it has 40. */
function socketFolder(run: string, projectId: string, environment: NodeJS.ProcessEnv): string {
  if (Buffer.byteLength(run) <= 60) return run;
  return join(environment['XDG_RUNTIME_DIR'] ?? tmpdir(), `mlx-${projectId}`);
}
