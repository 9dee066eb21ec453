// The Docker Engine dies, or is restarted, in the middle of a switch with real containers: one version keeps its route, and when Docker is back
// the next command finishes or undoes the rest. The Engine is the test's own; the model servers are stand-ins that cost next to nothing.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { packageRoot } from '../../src/config/paths.js';
import type { FailPoint } from '../../src/registry/journal.js';
import { ownDockerObstacle, startOwnDocker, type OwnDocker } from './own-docker.js';
import { standInStage, type StandInStage } from './stand-in-stage.js';

const obstacle = ownDockerObstacle();
const why = obstacle === undefined ? '' : ` (skipped: ${obstacle})`;
const preload = join(import.meta.dirname, '..', 'host', 'kill-at.js');
const points: FailPoint[] = [
  ...(['start: begun', 'start: performed', 'ready: begun', 'flip: begun', 'flip: performed'] as const),
  ...(['tags: begun', 'drain: begun', 'drain: performed'] as const),
];

describe.skipIf(obstacle !== undefined)(`a Docker Engine that goes away in a switch${why}`, () => {
  let docker: OwnDocker;
  let stage: StandInStage;

  beforeAll(async () => {
    docker = await startOwnDocker();
    stage = await standInStage(docker.environment);
  });

  afterAll(async () => {
    await stage.remove();
    await docker.remove();
  });

  /** When the command comes to that place the Engine gets the signal, and is started again as soon as it has ended. */
  async function restartedAt(point: FailPoint, signal: 'SIGKILL' | 'SIGTERM', argv: string[]): Promise<string> {
    const kill = { MLX_TEST_KILL_AT: point, MLX_TEST_KILL: `${docker.pid()} ${signal}` };
    const words = ['--import', preload, join(packageRoot(), 'bin', 'mlx.js'), ...argv, '--project', stage.folder];
    const env = { ...stage.environment, ...kill };
    const child = spawn(process.execPath, words, { env, stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
    const ended = once(child, 'exit').then(() => {
      if (!said.includes('killed at')) throw new Error(`the command never came to "${point}": ${said}`);
    });
    await Promise.race([docker.ended(), ended.then(docker.ended)]);
    await docker.start();
    await ended;
    return said;
  }

  test.each(points)('by a crash at "%s" of mlx promote', async (point) => {
    const before = await stage.expectConsistent();
    await restartedAt(point, 'SIGKILL', ['promote', `${stage.model}:${3 - before}`]);
    expect((await stage.json('releases', 'recover')).status).toBe(0);
    await stage.expectConsistent();
  });

  test.each(points)('by a restart at "%s" of mlx rollback', async (point) => {
    const before = await stage.expectConsistent();
    await restartedAt(point, 'SIGTERM', ['rollback', '--to', String(3 - before)]);
    expect((await stage.json('releases', 'recover')).status).toBe(0);
    await stage.expectConsistent();
  });
});
