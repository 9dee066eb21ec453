// No room for two servers on the GPU: the old one sleeps while the new one is started, and is woken for the way back.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { findRoute, listPromotions } from '../../../src/ledger/promotions.js';
import { lastWakeMs, listSteps } from '../../../src/ledger/promotion-steps.js';
import { listHolds } from '../../../src/ledger/route-holds.js';
import { aliasedVersion, findVersion } from '../../../src/ledger/versions.js';
import { listWarmServers } from '../../../src/ledger/warm-servers.js';
import { drillRollback } from '../../../src/registry/drill.js';
import type { PromotionEdges } from '../../../src/registry/edges.js';
import type { FailPoint } from '../../../src/registry/journal.js';
import { planPromotion } from '../../../src/registry/plan.js';
import { recoverPromotions } from '../../../src/registry/recover.js';
import { stopExpiredServers } from '../../../src/registry/retire.js';
import { aliasTarget, production, rollbackCandidate } from '../../../src/registry/targets.js';
import { askServer } from '../../../src/serving/server-client.js';
import { at, killAt } from './killed.js';
import { makeWorld, type World } from './world.js';

const gib = 2 ** 30;

const afterReady = ['flip', 'release', 'tags', 'drain'];

let world: World;

beforeEach(async () => {
  world = await makeWorld();
  world.edges.keepWarmMs = 300_000;
  world.engine.behaviour = 'sleeps';
  world.engine.memory = { usedBytes: 20 * gib, limitBytes: null, freeBytes: 2 * gib, of: 'gpu' };
  await world.promote(1);
  world.steps.length = 0;
});

afterEach(() => world.close());

const promote = (edges: PromotionEdges = world.edges) => world.promote(2, production, edges);
const rollback = (edges: PromotionEdges = world.edges) => world.rollback(edges);
const running = () => [...world.engine.servers.values()].map(({ state }) => state.version);
const stepNames = (id: number) => listSteps(world.ledger, id).map(({ step }) => step);

/** Versions whose server says that it sleeps. */
async function asleep(): Promise<number[]> {
  const found: number[] = [];
  for (const { state } of world.engine.servers.values()) {
    if ((await askServer(state.address, (client) => client.isAsleep())) === true) found.push(state.version);
  }
  return found;
}

test('is chosen by itself where a second server does not fit and the memory of the machine takes the weights', async () => {
  expect(await promote()).toMatchObject({ outcome: 'promoted', toVersion: 2 });
  expect(world.steps).toEqual(['hold', 'sleep', 'start', 'ready', 'flip', 'tags']);
  expect([running(), await asleep(), listHolds(world.ledger)]).toEqual([[1, 2], [1], []]);
  expect(await world.ask()).toEqual({ status: 200, version: 'tickets:2' });
});

test('a rollback wakes the old server, which no new one is started for, and the other one sleeps', async () => {
  await promote();
  const started = world.engine.started.length;
  expect(await rollback()).toMatchObject({ outcome: 'rolled_back', toVersion: 1 });
  expect(stepNames(3)).toEqual(['hold', 'sleep', 'wake', 'ready', ...afterReady]);
  expect(world.engine.started).toHaveLength(started);
  expect(await world.ask()).toEqual({ status: 200, version: 'tickets:1' });
  expect([await asleep(), listWarmServers(world.ledger).map(({ version }) => version)]).toEqual([[2], [2]]);
  expect(lastWakeMs(world.ledger, 'tickets')).toBeGreaterThanOrEqual(0);
});

test('who sleeps does not come up by itself with the machine, and who is awake does', async () => {
  await promote();
  const [old] = world.engine.servers.keys();
  expect(world.engine.restarts.get(old ?? '')).toBe(false);
  await rollback();
  expect([...world.engine.restarts.values()]).toEqual([true, false]);
});

test('requests that come while nobody is awake wait, and the new version answers them', async () => {
  const answers: Promise<{ status: number; version: string }>[] = [];
  await promote(
    at(world, 'start: begun', () => {
      for (let index = 0; index < 20; index += 1) answers.push(world.ask());
    }),
  );
  const seen = new Set((await Promise.all(answers)).map(({ status, version }) => `${status} ${version}`));
  expect(seen).toEqual(new Set(['200 tickets:2']));
});

test('open answers of the old server end before it sleeps', async () => {
  const { body } = await world.openStream();
  const promoting = promote();
  while (!world.steps.includes('drain')) await new Promise((resolve) => setImmediate(resolve));
  expect(await asleep()).toEqual([]);
  world.engine.openStreams[0]?.end('data: [DONE]\n\n');
  expect(await body.text()).toContain('[DONE]');
  expect(await promoting).toMatchObject({ outcome: 'promoted' });
});

test('where the new version does not come up the old one is woken, and no server is started for it', async () => {
  let answer: Promise<{ status: number; version: string }> | undefined;
  const failing = promote(
    at(world, 'start: begun', () => {
      world.engine.behaviour = 'exits';
      answer = world.ask();
    }),
  );
  expect(await failing).toMatchObject({ outcome: 'failed', error: { code: 'SERVER_NOT_READY' } });
  expect(await answer).toEqual({ status: 200, version: 'tickets:1' });
  expect(world.engine.started.map(({ version }) => version)).toEqual([1, 2]);
  expect([running(), await asleep(), listHolds(world.ledger)]).toEqual([[1], [], []]);
});

describe('a server that comes out of its sleep wrong', () => {
  /** Version 2 is live on it. */
  beforeEach(async () => {
    world.engine.behaviour = 'wakes_wrong';
    await world.promote(2, production, world.edges, 'hold');
    world.engine.behaviour = 'sleeps';
  });

  test('is replaced by a new one within the same rollback', async () => {
    await world.promote(1);
    expect(await world.rollback()).toMatchObject({ outcome: 'rolled_back', toVersion: 2 });
    expect(world.notes.join()).toContain('did not wake up as it was, a new server is started');
    expect(stepNames(4)).toEqual(['hold', 'sleep', 'wake', 'ready', 'start', 'ready', ...afterReady]);
    expect(await world.ask()).toEqual({ status: 200, version: 'tickets:2' });
    expect([running(), await asleep()]).toEqual([[1, 2], [1]]);
  });

  test('is replaced where a promotion is undone', async () => {
    const failing = world.promote(1, production, {
      ...world.edges,
      failPoint: async (point) => {
        if (point === 'start: begun') world.engine.behaviour = 'exits';
        if (point === 'undo sleep: begun') world.engine.behaviour = 'sleeps';
      },
    });
    expect(await failing).toMatchObject({ outcome: 'failed', toVersion: 1 });
    expect(world.notes.join()).toContain('did not wake up as it was');
    expect(await world.ask()).toEqual({ status: 200, version: 'tickets:2' });
    expect([running(), await asleep(), listHolds(world.ledger)]).toEqual([[2], [], []]);
  });
});

test('its time over, it is stopped as every server that is kept warm', async () => {
  await promote();
  await stopExpiredServers({ ...world.edges, now: () => new Date(Date.now() + 301_000) });
  expect([running(), await asleep()]).toEqual([[2], []]);
});

describe('is not chosen', () => {
  const plan = (edges: PromotionEdges = world.edges, asked: 'auto' | 'sleep' = 'auto') => {
    const candidate = { version: findVersion(world.ledger, 'tickets:2'), target: aliasTarget('tickets', production) };
    return planPromotion(edges, candidate, 'promote', asked);
  };

  test('where the memory of the machine does not take the weights', async () => {
    const edges = { ...world.edges, weightBytes: () => 16 * gib, freeMemoryBytes: () => 8 * gib };
    expect(await plan(edges)).toMatchObject({
      strategy: 'hold',
      why: expect.stringContaining('(16.0 GiB) do not fit'),
    });
    await expect(plan(edges, 'sleep')).rejects.toMatchObject({ code: 'STRATEGY_IMPOSSIBLE' });
  });

  test('where another route leads to the same server', async () => {
    await world.promote(1, 'staging');
    expect(await plan()).toMatchObject({
      strategy: 'hold',
      why: expect.stringContaining('tickets@staging leads to it'),
    });
  });

  test('where the server says nothing of sleep, and is refused by name', async () => {
    world.engine.behaviour = 'good';
    await world.promote(2, production, world.edges, 'hold');
    await expect(world.promote(1, production, world.edges, 'sleep')).rejects.toMatchObject({
      code: 'STRATEGY_IMPOSSIBLE',
      message: expect.stringContaining('it offers none'),
    });
  });

  test('for a drill: production stays as it is', async () => {
    await promote();
    const candidate = rollbackCandidate(world.ledger, 'tickets', undefined);
    await expect(drillRollback(world.edges, candidate, { actor: 'ada' })).rejects.toMatchObject({
      code: 'STRATEGY_IMPOSSIBLE',
    });
    expect([await asleep(), await world.ask()]).toEqual([[1], { status: 200, version: 'tickets:2' }]);
  });
});

test('--dry-run says who sleeps and who is woken, and how long requests wait by the last time', async () => {
  await promote();
  await rollback();
  const candidate = rollbackCandidate(world.ledger, 'tickets', 2);
  const plan = await planPromotion(world.edges, candidate, 'rollback');
  expect(plan).toMatchObject({ strategy: 'sleep', outage: 'requests_wait' });
  expect(plan.expectedWaitMs).toBe(lastWakeMs(world.ledger, 'tickets'));
  const [room, wake, ...others] = plan.steps;
  expect(room).toMatch(/^hold the requests of tickets, let tickets-v1-\w+ finish its open answers, put it to sleep$/);
  expect(wake).toMatch(/^wake tickets-v2-\w+, which holds tickets:2$/);
  expect(others.at(-1)).toMatch(/^keep tickets-v1-\w+ asleep for 300 s, so that a rollback wakes it$/);
  expect(await asleep()).toEqual([2]);
});

describe('a switch with sleep that is killed', () => {
  const points = (middle: FailPoint[]): FailPoint[] => [
    ...(['hold: begun', 'hold: performed', 'sleep: begun', 'sleep: performed'] as const),
    ...middle,
    ...(['ready: begun', 'ready: performed', 'flip: begun', 'flip: performed', 'release: begun'] as const),
    ...(['release: performed', 'tags: begun', 'tags: performed', 'drain: begun', 'drain: performed'] as const),
    'end: begun',
  ];
  const starting = points(['start: begun', 'start: performed']);
  const waking = points(['wake: begun', 'wake: performed']);

  async function expectLive(version: number): Promise<void> {
    expect(await world.ask()).toEqual({ status: 200, version: `tickets:${version}` });
    expect(findRoute(world.ledger, 'tickets')?.version).toBe(version);
    expect(aliasedVersion(world.ledger, 'tickets', 'production')).toBe(version);
    expect(listHolds(world.ledger)).toEqual([]);
    expect(listPromotions(world.ledger, { state: 'started', limit: 9 })).toEqual([]);
    expect(await asleep()).not.toContain(version);
    const kept = [findRoute(world.ledger, 'tickets'), ...listWarmServers(world.ledger)];
    expect(new Set(world.engine.servers.keys())).toEqual(new Set(kept.map((server) => server?.serverId)));
  }

  test.each(starting)('at "%s" leaves one version awake once the next command has seen to it', async (point) => {
    expect(await killAt(world, point, promote)).toBe(true);
    await recoverPromotions(world.edges);
    await expectLive(starting.indexOf(point) >= starting.indexOf('flip: performed') ? 2 : 1);
  });

  test.each(waking)('at "%s" of a rollback leaves one version awake', async (point) => {
    await promote();
    expect(await killAt(world, point, rollback)).toBe(true);
    await recoverPromotions(world.edges);
    await expectLive(waking.indexOf(point) >= waking.indexOf('flip: performed') ? 1 : 2);
  });

  test.each<FailPoint>(['undo start: begun', 'undo sleep: begun', 'undo sleep: performed', 'undo hold: begun'])(
    'at "%s", on its way back, is taken back wholly',
    async (point) => {
      const edges = (base: PromotionEdges): PromotionEdges => ({
        ...base,
        failPoint: async (reached) => {
          if (reached === 'start: begun') world.engine.behaviour = 'exits';
          await base.failPoint(reached);
        },
      });
      expect(await killAt(world, point, (base) => promote(edges(base)))).toBe(true);
      await recoverPromotions(world.edges);
      await expectLive(1);
      expect(world.engine.started.map(({ version }) => version)).toEqual([1, 2]);
    },
  );

  test('and whose old server is gone meanwhile starts that version anew', async () => {
    expect(await killAt(world, 'start: begun', promote)).toBe(true);
    for (const id of world.engine.servers.keys()) await world.engine.stopServer(id);
    await recoverPromotions(world.edges);
    await expectLive(1);
  });
});
