// A canary that stands, and whose container crashes at each start that Docker makes: the gateway takes it back when nobody types a command.
import { spawnSync } from 'node:child_process';
import { chmodSync } from 'node:fs';
import { dirname } from 'node:path';

import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';

import { standInObstacle, standInStage, type StandInStage } from './stand-in-stage.js';

const obstacle = await standInObstacle();

describe.skipIf(obstacle !== undefined)(`a canary that crashes for ever (${obstacle ?? 'Docker answers'})`, () => {
  let stage: StandInStage;

  beforeAll(async () => {
    stage = await standInStage(process.env);
  });

  afterAll(() => stage.remove());

  test('is taken back, with the reason in its release', async () => {
    const words = ['promote', `${stage.model}:2`, '--canary', '50%', '--sticky', 'request', '--every', '1s'];
    expect((await stage.json(...words)).value).toMatchObject({ outcome: 'standing' });
    const canary = (await stage.engine.listServers()).find(({ version }) => version === 2);
    if (!canary) throw new Error('no canary');
    // Its next starts cannot put their socket there.
    chmodSync(dirname(canary.address.replace('unix:', '')), 0);
    const found = spawnSync('docker', ['ps', '-q', '--filter', `label=mlx.server=${canary.id}`], { encoding: 'utf8' });
    spawnSync('docker', ['exec', found.stdout.trim(), 'sh', '-c', 'kill -9 -1']);
    const newest = async () => (await stage.json('releases', stage.model)).value;
    await vi.waitFor(async () => expect(await newest()).toMatchObject({ releases: [{ standing: 'taken_back' }, {}] }), {
      timeout: 90_000,
      interval: 500,
    });
    const why = expect.stringMatching(/crashed again and again \(Docker started it \d+ times\)$/) as string;
    expect(await newest()).toMatchObject({ releases: [{ back: { actor: 'mlx gateway', why } }, {}] });
    expect(await vi.waitFor(stage.expectConsistent, { timeout: 60_000, interval: 500 })).toBe(1);
  });
});
