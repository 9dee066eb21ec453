// mlx promote and mlx rollback with real containers, killed round the flip and after it: one version keeps answering, the next command does
// the rest before a person would give up on it, and no container is left over. The model servers are stand-ins that cost next to nothing.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import type { FailPoint } from '../../src/registry/journal.js';
import { mlxJson } from '../command/mlx.js';
import { killedAt } from '../host/killed-command.js';
import { afterFlip } from '../unit/registry/kill-points.js';
import { standInObstacle, standInStage, type StandInStage } from './stand-in-stage.js';

const obstacle = await standInObstacle();
const why = obstacle === undefined ? '' : ` (skipped: ${obstacle})`;
const recoveryMs = 30_000;

const beforeFlip: FailPoint[] = ['ready: performed', 'flip: begun'];

describe.skipIf(obstacle !== undefined)(`a switch between containers${why}`, () => {
  let stage: StandInStage;

  beforeAll(async () => {
    stage = await standInStage(process.env);
  });

  afterAll(async () => {
    await stage.remove();
  });

  describe.each([
    { kind: 'that starts a container', keepWarmS: 0, points: [...beforeFlip, ...afterFlip] },
    { kind: 'to a container that is kept warm', keepWarmS: 300, points: ['flip: begun', ...afterFlip] as FailPoint[] },
  ])('$kind', ({ keepWarmS, points }) => {
    const settings = () => ({
      folder: stage.folder,
      environment: { ...stage.environment, MLX_SERVING_KEEP_WARM_S: String(keepWarmS) },
    });
    const promoteWords = (version: number) => ['promote', `${stage.model}:${version}`];

    // What was live until then is kept warm, or is not.
    beforeAll(async () => {
      await promoteOther();
    });

    async function promoteOther(): Promise<number> {
      const before = await stage.expectConsistent();
      const { status, stdout, stderr } = await mlxJson(promoteWords(3 - before), settings());
      expect(status, stdout + stderr).toBe(0);
      return before;
    }

    /** @returns the version that is live when the next command has ended */
    async function settledAfterKill(point: FailPoint, words: string[]): Promise<number> {
      expect(await killedAt(point, words, settings())).toBe('SIGKILL');
      expect([1, 2]).toContain(await stage.answeringVersion());
      const signal = AbortSignal.timeout(recoveryMs);
      const { status, stdout, stderr } = await mlxJson(['releases', 'recover'], { ...settings(), signal });
      expect(status, stdout + stderr).toBe(0);
      return stage.expectConsistent();
    }

    test.each(points)('by mlx promote, killed at "%s"', async (point) => {
      const before = await stage.expectConsistent();
      const live = await settledAfterKill(point, promoteWords(3 - before));
      expect(live).toBe(afterFlip.includes(point) ? 3 - before : before);
    });

    test.each(points)('by mlx rollback, killed at "%s"', async (point) => {
      const before = await promoteOther();
      const live = await settledAfterKill(point, ['rollback']);
      expect(live).toBe(afterFlip.includes(point) ? before : 3 - before);
    });
  });
});
