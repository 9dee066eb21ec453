// No room for two servers: requests wait in the gateway while one is stopped and the other starts.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { findRoute, listPromotions } from '../../../src/ledger/promotions.js';
import { listHolds } from '../../../src/ledger/route-holds.js';
import { aliasedVersion } from '../../../src/ledger/versions.js';
import type { PromotionEdges } from '../../../src/registry/edges.js';
import type { FailPoint } from '../../../src/registry/journal.js';
import { recoverPromotions } from '../../../src/registry/recover.js';
import { production } from '../../../src/registry/targets.js';
import { at, killAt } from './killed.js';
import { makeWorld, type World } from './world.js';

let world: World;

beforeEach(async () => {
  world = await makeWorld();
  await world.promote(1);
  world.steps.length = 0;
});

afterEach(() => world.close());

const hold = (edges: PromotionEdges = world.edges) => world.promote(2, production, edges, 'hold');

const running = () => [...world.engine.servers.values()].map(({ state }) => state.version);

test('requests that come while there is no server wait, and the new version answers them', async () => {
  const answers: Promise<{ status: number; version: string }>[] = [];
  const counts: number[] = [];
  const edges = at(world, 'start: begun', () => {
    counts.push(running().length);
    for (let index = 0; index < 20; index += 1) answers.push(world.ask());
  });
  expect(await hold(edges)).toMatchObject({ outcome: 'promoted', toVersion: 2 });
  expect(counts).toEqual([0]);
  expect(new Set((await Promise.all(answers)).map((answer) => JSON.stringify(answer)))).toEqual(
    new Set(['{"status":200,"version":"tickets:2"}']),
  );
  expect(world.steps.slice(0, 3)).toEqual(['hold', 'stop', 'start']);
  expect([running(), listHolds(world.ledger)]).toEqual([[2], []]);
});

test('open answers of the old server end before it is stopped', async () => {
  const { body } = await world.openStream();
  const holding = hold();
  while (!world.steps.includes('drain')) await new Promise((resolve) => setImmediate(resolve));
  world.engine.openStreams[0]?.end('data: [DONE]\n\n');
  expect(await body.text()).toContain('[DONE]');
  expect(await holding).toMatchObject({ outcome: 'promoted' });
});

test('where the new version does not come up the old one comes back, and answers whoever waited', async () => {
  let answer: Promise<{ status: number; version: string }> | undefined;
  const edges = at(world, 'start: begun', () => {
    world.engine.behaviour = 'exits';
    answer = world.ask();
  });
  const failing = hold({
    ...edges,
    failPoint: async (point) => {
      await edges.failPoint(point);
      if (point === 'undo start: performed') world.engine.behaviour = 'good';
    },
  });
  expect(await failing).toMatchObject({ outcome: 'failed', error: { code: 'SERVER_NOT_READY' } });
  expect(await answer).toEqual({ status: 200, version: 'tickets:1' });
  expect([running(), listHolds(world.ledger)]).toEqual([[1], []]);
  expect(aliasedVersion(world.ledger, 'tickets', 'production')).toBe(1);
});

test('Ctrl-C while there is no server brings the old version back', async () => {
  const failing = hold(at(world, 'ready: begun', () => world.stop.abort()));
  expect(await failing).toMatchObject({ outcome: 'failed', error: { code: 'INTERRUPTED' } });
  expect(await world.ask()).toEqual({ status: 200, version: 'tickets:1' });
  expect([running(), listHolds(world.ledger)]).toEqual([[1], []]);
});

test('who waits longer than the longest time is told to come again', async () => {
  let refused: Promise<{ status: number; version: string }> | undefined;
  const edges = at(world, 'start: begun', () => {
    refused = world.ask();
  });
  expect(await hold({ ...edges, maxHoldMs: 1 })).toMatchObject({ outcome: 'promoted' });
  expect(await refused).toMatchObject({ status: 503 });
  expect(await world.ask()).toEqual({ status: 200, version: 'tickets:2' });
});

describe('a switch with hold that is killed', () => {
  const points: FailPoint[] = [
    'hold: begun',
    'hold: performed',
    'stop: begun',
    'stop: performed',
    'start: begun',
    'start: performed',
    'ready: performed',
    'flip: begun',
    'flip: performed',
    'release: begun',
    'release: performed',
    'tags: performed',
    'drain: performed',
    'end: begun',
  ];

  test.each(points)('at "%s" leaves one version serving once the next command has seen to it', async (point) => {
    expect(await killAt(world, point, hold)).toBe(true);
    await recoverPromotions(world.edges);
    const version = points.indexOf(point) >= points.indexOf('flip: performed') ? 2 : 1;
    expect(await world.ask()).toEqual({ status: 200, version: `tickets:${version}` });
    expect([running(), listHolds(world.ledger)]).toEqual([[version], []]);
    expect(findRoute(world.ledger, 'tickets')?.version).toBe(version);
    expect(aliasedVersion(world.ledger, 'tickets', 'production')).toBe(version);
    expect(listPromotions(world.ledger, { state: 'started', limit: 9 })).toEqual([]);
  });

  test.each<FailPoint>(['undo start: begun', 'undo stop: begun', 'undo stop: performed', 'undo hold: begun'])(
    'at "%s", on its way back, is taken back wholly',
    async (point) => {
      world.engine.behaviour = 'exits';
      const edges = (base: PromotionEdges): PromotionEdges => ({
        ...base,
        failPoint: async (reached) => {
          if (reached.startsWith('undo')) world.engine.behaviour = 'good';
          await base.failPoint(reached);
        },
      });
      expect(await killAt(world, point, (base) => hold(edges(base)))).toBe(true);
      await recoverPromotions(world.edges);
      expect(await world.ask()).toEqual({ status: 200, version: 'tickets:1' });
      expect([running(), listHolds(world.ledger)]).toEqual([[1], []]);
    },
  );
});
