// The adapter of the new version goes into the server that runs: no second server, and the same promises.
import { writeFileSync } from 'node:fs';

import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { findRoute, listPromotions } from '../../../src/ledger/promotions.js';
import { listSteps } from '../../../src/ledger/promotion-steps.js';
import { aliasedVersion, findVersion } from '../../../src/ledger/versions.js';
import { listWarmServers } from '../../../src/ledger/warm-servers.js';
import { drillRollback } from '../../../src/registry/drill.js';
import type { PromotionEdges } from '../../../src/registry/edges.js';
import type { FailPoint } from '../../../src/registry/journal.js';
import { planPromotion } from '../../../src/registry/plan.js';
import { recoverPromotions } from '../../../src/registry/recover.js';
import { stopExpiredServers } from '../../../src/registry/retire.js';
import { aliasTarget, production, rollbackCandidate } from '../../../src/registry/targets.js';
import type { Behaviour } from './fake-engine.js';
import { switchPoints } from './kill-points.js';
import { killAt } from './killed.js';
import { makeWorld, type World } from './world.js';

let world: World;

beforeEach(async () => {
  world = await makeWorld();
  world.engine.obstacle = null;
  await world.promote(1);
  world.steps.length = 0;
});

afterEach(() => world.close());

const swap = (edges: PromotionEdges = world.edges) => world.promote(2, production, edges, 'adapter-swap');

const rollback = (edges: PromotionEdges = world.edges) => world.rollback(edges);

const warmly = (edges: PromotionEdges = world.edges): PromotionEdges => ({ ...edges, keepWarmMs: 300_000 });
const served = () => [...world.engine.servers.values()].map(({ state }) => state.version).sort();
const processes = () => new Set([...world.engine.servers.values()].map(({ runsIn }) => runsIn)).size;
const names = () => [...([...world.engine.servers.values()][0]?.runsIn.names.keys() ?? [])];
const route = () => findRoute(world.ledger, 'tickets');

describe('a swap', () => {
  test('starts no server: the same one answers for the new version, and has nothing of the old one any more', async () => {
    const before = route();
    expect(await swap()).toMatchObject({ outcome: 'promoted', fromVersion: 1, toVersion: 2 });
    expect(route()).toMatchObject({ version: 2, address: before?.address, servedName: route()?.serverId });
    expect(route()?.serverId).not.toBe(before?.serverId);
    expect(await world.ask()).toEqual({ status: 200, version: 'tickets:2' });
    expect([served(), processes(), names()]).toEqual([[2], 1, [route()?.serverId]]);
    expect(aliasedVersion(world.ledger, 'tickets', 'production')).toBe(2);
    expect(listSteps(world.ledger, 2)[0]?.subject).toContain(`"into":"${before?.serverId}"`);
  });

  test('is what happens where nothing else is asked for, and the one after it goes into the same server', async () => {
    await world.promote(2);
    expect(await world.promote(1)).toMatchObject({ outcome: 'promoted', toVersion: 1 });
    expect(await world.ask()).toEqual({ status: 200, version: 'tickets:1' });
    expect([served(), processes()]).toEqual([[1], 1]);
    expect(world.engine.started.map(({ into }) => into !== undefined)).toEqual([false, true, true]);
  });

  test('lets a stream of the old version end before it takes its adapter away', async () => {
    const { body } = await world.openStream();
    const swapping = swap();
    while (!world.steps.includes('drain')) await new Promise((resolve) => setImmediate(resolve));
    expect(served()).toEqual([1, 2]);
    expect(await world.ask()).toEqual({ status: 200, version: 'tickets:2' });
    world.engine.openStreams[0]?.end('data: [DONE]\n\n');
    expect(await body.text()).toContain('[DONE]');
    expect(await swapping).toMatchObject({ outcome: 'promoted' });
    expect(served()).toEqual([2]);
  });

  test('keeps the old adapter for a while: the way back loads nothing', async () => {
    await swap(warmly());
    expect(served()).toEqual([1, 2]);
    const started = world.engine.started.length;
    expect(await rollback(warmly())).toMatchObject({ outcome: 'rolled_back', toVersion: 1 });
    expect(await world.ask()).toEqual({ status: 200, version: 'tickets:1' });
    expect([world.engine.started.length, listWarmServers(world.ledger).map(({ version }) => version)]).toEqual([
      started,
      [2],
    ]);
    const later = new Date(Date.now() + 301_000);
    await stopExpiredServers({ ...world.edges, now: () => later });
    expect([served(), processes()]).toEqual([[1], 1]);
  });

  test('is rehearsed by a drill without another server, and leaves nothing', async () => {
    await swap();
    const candidate = rollbackCandidate(world.ledger, 'tickets', undefined);
    expect(await drillRollback(world.edges, candidate, { actor: 'ada' })).toMatchObject({ ready: true });
    expect([served(), processes()]).toEqual([[2], 1]);
    expect(world.engine.started.at(-1)?.into).toBeDefined();
  });

  test('is planned with the figures that it rests on', async () => {
    await swap();
    const target = aliasTarget('tickets', 'production');
    const version = findVersion(world.ledger, 'tickets:1');
    const plan = await planPromotion(world.edges, { version, target }, 'promote');
    expect(plan).toMatchObject({ strategy: 'adapter-swap', outage: 'none', expectedWaitMs: null });
    expect(plan.expectedStartMs).not.toBeNull();
    expect(plan.steps[0]).toMatch(/^load the adapter of tickets:1 into tickets-v1-/);
  });
});

describe('a swap is refused', () => {
  test.each([
    ['by the engine', () => (world.engine.obstacle = 'its image is older'), 'its image is older'],
    ['for another base model', () => edit({ base_commit: "'other'" }), 'another base model'],
    ['for another window', () => edit({ settings: "json_set(settings, '$.max_model_len', 99)" }), 'window of 512'],
    ['for a larger rank', () => edit({ settings: "json_set(settings, '$.max_lora_rank', 64)" }), 'room for rank 16'],
    ['for a whole model', () => edit({ settings: "json_set(settings, '$.adapter', json('false'))" }), 'a whole model'],
  ])('%s, and says why', async (_title, change, why) => {
    change();
    await expect(swap()).rejects.toMatchObject({ code: 'STRATEGY_IMPOSSIBLE', message: expect.stringContaining(why) });
    expect([served(), route()?.version]).toEqual([[1], 1]);
    // Left to mlx, a second server does it.
    expect(await world.promote(2)).toMatchObject({ outcome: 'promoted' });
    expect(world.engine.started.at(-1)?.into).toBeUndefined();
  });

  function edit(columns: Record<string, string>): void {
    for (const [column, value] of Object.entries(columns))
      world.ledger.database.exec(`UPDATE model_versions SET ${column} = ${value} WHERE version = 2`);
  }
});

describe('an adapter that', () => {
  test.each<[string, Behaviour, string]>([
    ['the server does not take', 'broken_answers', 'ADAPTER_REFUSED'],
    ['is not there after it was loaded', 'wrong_name', 'SERVER_NOT_READY'],
  ])('%s leaves the old version serving, and nothing behind', async (_title, behaviour, code) => {
    world.engine.behaviour = behaviour;
    expect(await swap()).toMatchObject({ outcome: 'failed', error: { code } });
    expect(await world.ask()).toEqual({ status: 200, version: 'tickets:1' });
    expect([served(), names()]).toEqual([[1], ['tickets']]);
  });

  test('gets golden prompts wrong does neither', async () => {
    const row = { messages: [{ role: 'user', content: 'Hi' }], equals: 'version 1' };
    writeFileSync(world.edges.goldenFile, JSON.stringify(row));
    expect(await swap()).toMatchObject({ outcome: 'failed', error: { code: 'GOLDEN_FAILED' } });
    expect([served(), names()]).toEqual([[1], ['tickets']]);
  });
});

describe('a swap that is killed', () => {
  test.each(switchPoints)('at "%s" leaves one version in one server', async (point) => {
    expect(await killAt(world, point, swap)).toBe(true);
    expect((await world.ask()).status).toBe(200);
    await recoverPromotions(world.edges);
    const version = switchPoints.indexOf(point) >= switchPoints.indexOf('flip: performed') ? 2 : 1;
    expect(await world.ask()).toEqual({ status: 200, version: `tickets:${version}` });
    expect([served(), processes(), names()]).toEqual([[version], 1, [route()?.servedName]]);
    expect(listPromotions(world.ledger, { state: 'started', limit: 9 })).toEqual([]);
  });

  test.each<FailPoint>(['undo start: begun', 'undo start: performed', 'end: begun'])(
    'at "%s", on its way back, is taken back wholly',
    async (point) => {
      world.engine.behaviour = 'wrong_name';
      expect(await killAt(world, point, swap)).toBe(true);
      await recoverPromotions(world.edges);
      expect(await world.ask()).toEqual({ status: 200, version: 'tickets:1' });
      expect([served(), processes(), names()]).toEqual([[1], 1, ['tickets']]);
    },
  );
});

test('a server that lost the adapter of its route counts as gone, and is replaced', async () => {
  await swap();
  for (const { runsIn } of world.engine.servers.values()) runsIn.names.clear();
  expect(await swap()).toMatchObject({ outcome: 'restarted', toVersion: 2 });
  expect(await world.ask()).toEqual({ status: 200, version: 'tickets:2' });
  expect([served(), names()]).toEqual([[2], ['tickets']]);
});

describe('where the server takes no other adapter', () => {
  const gib = 2 ** 30;
  const memory = (usedGib: number, freeGib: number) => {
    return { usedBytes: usedGib * gib, freeBytes: freeGib * gib, limitBytes: null, of: 'machine' as const };
  };

  test.each([
    ['and there is room, a second one starts', memory(1, 9), ['start', 'ready', 'flip', 'tags', 'drain']],
    [
      'and no room, requests wait',
      memory(9, 1),
      ['hold', 'stop', 'start', 'ready', 'flip', 'release', 'tags', 'drain'],
    ],
  ])('%s', async (_title, measured, steps) => {
    world.engine.obstacle = 'it is too old';
    world.engine.memory = measured;
    expect(await world.promote(2)).toMatchObject({ outcome: 'promoted' });
    expect(listSteps(world.ledger, 2).map(({ step }) => step)).toEqual(steps);
    expect(await world.ask()).toEqual({ status: 200, version: 'tickets:2' });
  });

  test('a server that was kept warm and has the adapter in use frees nothing: its own adapter alone would go', async () => {
    await swap(warmly());
    expect(listWarmServers(world.ledger).map(({ version }) => version)).toEqual([1]);
    const { packageRun } = await import('../../../src/registry/package.js');
    await packageRun(world.packageEdges, await world.addRun('run-3'));
    world.engine.obstacle = 'it is too old';
    world.engine.memory = memory(3, 1);
    const version = findVersion(world.ledger, 'tickets:3');
    const plan = await planPromotion(world.edges, { version, target: aliasTarget('tickets', 'production') }, 'promote');
    expect(plan).toMatchObject({ strategy: 'hold', memory: { usedBytes: 3 * gib, freeBytes: gib } });
  });

  test('the plan has the figures, and counts what a server that is kept warm will free', async () => {
    world.engine.obstacle = 'it is too old';
    world.engine.memory = memory(3, 4);
    await world.promote(2, 'production', warmly());
    const { packageRun } = await import('../../../src/registry/package.js');
    await packageRun(world.packageEdges, await world.addRun('run-3'));
    world.engine.memory = memory(3, 1);
    const version = findVersion(world.ledger, 'tickets:3');
    const plan = await planPromotion(world.edges, { version, target: aliasTarget('tickets', 'production') }, 'promote');
    expect(plan).toMatchObject({ strategy: 'side-by-side', memory: { usedBytes: 3 * gib, freeBytes: 4 * gib } });
    expect(plan.why).toContain('it is too old; a second server needs about 3.5 GiB');
  });
});
