// An image whose container is a model server that costs next to nothing (bench/switch/model-server.js), in the place of the server runtime:
// made of this machine's own Node, shell and libraries, so that it takes seconds and no network.
import { spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { packageRoot } from '../../src/config/paths.js';
import { imageRecipe } from '../../src/engine/docker/image-recipes.js';

/** No such image exists: the runtime that stands for it is found by its name, and nothing is ever built on it. */
export const standInBase = 'mlx-test/stand-in';

/**
 * What compose/serve.yaml and the image's own command start. The shell stays, as tini does in the real images: a first process hears no signal
 * that it has not asked for yet, and Docker waits a minute for one that has just begun.
 */
const python = `#!/bin/sh
[ "$1" = -S ] && exec node /mlx/server/health.mjs
trap 'kill -TERM $server' TERM
node /mlx/server/model-server.mjs serve.py --model /mlx/base --adapter /mlx/version/adapter \\
  --name "$MLX_MODEL_NAME" --socket /run/mlx/vllm.sock &
server=$!
wait $server
status=$?
if kill -0 $server; then
  wait $server
  status=$?
fi 2>/dev/null
exit $status
`;

const health = `import { get } from 'node:http';
get({ socketPath: '/run/mlx/vllm.sock', path: '/health' }, ({ statusCode }) => process.exit(statusCode === 200 ? 0 : 1))
  .on('error', () => process.exit(1));
`;

/** Under the name by which mlx looks for the server runtime, when `docker.base_image` is the stand-in's. @returns that name */
export function makeStandInImage(environment: NodeJS.ProcessEnv): string {
  const { reference } = imageRecipe(packageRoot(), 'server', { baseImage: standInBase, gpu: false });
  const root = mkdtempSync(join(tmpdir(), 'mlx-rootfs-'));
  try {
    fillRoot(root);
    const tar = spawnSync('tar', ['-C', root, '-c', '.'], { maxBuffer: 1024 ** 3 });
    const changes = ['CMD ["python", "/mlx/server/start.py"]', 'USER 10001:10001'].flatMap((line) => [
      '--change',
      line,
    ]);
    const made = spawnSync('docker', ['import', ...changes, '-', reference], { env: environment, input: tar.stdout });
    if (made.status !== 0) throw new Error(`docker import failed: ${made.stderr.toString()}`);
    return reference;
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

function fillRoot(root: string): void {
  for (const folder of [
    'tmp',
    'run/mlx',
    'mlx/base',
    'mlx/version',
    'mlx/server',
    'mlx/adapters',
    'etc',
    'proc',
    'sys',
  ]) {
    mkdirSync(join(root, folder), { recursive: true });
  }
  copyProgram(root, process.execPath, 'usr/bin/node');
  copyProgram(root, realpathSync('/bin/sh'), 'bin/sh');
  writeFileSync(join(root, 'usr/bin/python'), python);
  chmodSync(join(root, 'usr/bin/python'), 0o755);
  writeFileSync(join(root, 'mlx/server/health.mjs'), health);
  copyFileSync(join(packageRoot(), 'bench/switch/model-server.js'), join(root, 'mlx/server/model-server.mjs'));
}

/** With the shared libraries that it names, where it looks for them. */
function copyProgram(root: string, program: string, target: string): void {
  const listed = spawnSync('ldd', [program], { encoding: 'utf8' }).stdout;
  const libraries = listed.match(/\/\S+\.so\S*/g) ?? [];
  for (const [from, to] of [[program, target], ...libraries.map((library) => [library, library])] as [
    string,
    string,
  ][]) {
    mkdirSync(dirname(join(root, to)), { recursive: true });
    copyFileSync(realpathSync(from), join(root, to));
    chmodSync(join(root, to), 0o755);
  }
}
