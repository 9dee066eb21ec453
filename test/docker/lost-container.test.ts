// The container of the live version is removed or killed behind mlx's back, and nobody types a command: the gateway sees it and has another
// one started. On this machine's Engine, and on one that only DOCKER_HOST names.
import { spawnSync } from 'node:child_process';

import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';

import { ownDockerObstacle, startOwnDocker } from './own-docker.js';
import { standInObstacle, standInStage, type StandInStage } from './stand-in-stage.js';

type Stand = { environment: NodeJS.ProcessEnv; remove: () => Promise<void> };

const thisMachine = (): Promise<Stand> =>
  Promise.resolve({ environment: process.env, remove: () => Promise.resolve() });

describe.each([
  { where: 'the Engine of this machine', obstacle: await standInObstacle(), start: thisMachine },
  { where: 'an Engine that DOCKER_HOST names', obstacle: ownDockerObstacle(), start: startOwnDocker },
])('a lost container on $where', ({ obstacle, start }) => {
  const why = obstacle === undefined ? '' : ` (skipped: ${obstacle})`;

  describe.skipIf(obstacle !== undefined)(`comes back by itself${why}`, () => {
    let docker: Stand;
    let stage: StandInStage;

    beforeAll(async () => {
      docker = await start();
      stage = await standInStage(docker.environment);
    });

    afterAll(async () => {
      await stage.remove();
      await docker.remove();
    });

    test.each([['rm', '--force'], ['kill']])('after docker %s', async (...words) => {
      expect(await stage.expectConsistent()).toBe(1);
      const lost = (await stage.engine.listServers()).map(({ id }) => id);
      const container = dockerSays(['ps', '--quiet', '--filter', `label=mlx.server=${lost.join()}`]);
      expect(dockerSays([...words, container])).toBe(container);
      expect(await stage.answeringVersion()).toBeTypeOf('string');
      // Whoever starts it puts away what is left of the old one after the route answers again.
      expect(await vi.waitFor(stage.expectConsistent, { timeout: 120_000, interval: 500 })).toBe(1);
      expect((await stage.engine.listServers()).map(({ id }) => id)).not.toEqual(lost);
    });

    function dockerSays(words: string[]): string {
      return spawnSync('docker', words, { env: docker.environment, encoding: 'utf8' }).stdout.trim();
    }
  });
});
