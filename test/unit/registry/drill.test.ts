import { afterEach, beforeEach, expect, test } from 'vitest';

import { findRoute, listRoutes } from '../../../src/ledger/promotions.js';
import { listWarmServers } from '../../../src/ledger/warm-servers.js';
import { drillRollback } from '../../../src/registry/drill.js';
import type { PromotionEdges } from '../../../src/registry/edges.js';
import { recoverPromotions } from '../../../src/registry/recover.js';
import { duePromotions, isAnythingDue } from '../../../src/registry/settle.js';
import { rollbackCandidate } from '../../../src/registry/targets.js';
import { isRipe } from '../../../src/registry/tend.js';
import { killAt } from './killed.js';
import { makeWorld, type World } from './world.js';

let world: World;

beforeEach(async () => {
  world = await makeWorld();
  await world.promote(1);
  await world.promote(2);
});

afterEach(() => world.close());

const drill = (edges: PromotionEdges = world.edges) =>
  drillRollback(edges, rollbackCandidate(world.ledger, 'tickets', undefined), { actor: 'ada' });
const running = () => [...world.engine.servers.values()].map(({ state }) => state.version);

test('a rehearsal starts the version before on a route of its own, says how long that took, and leaves nothing', async () => {
  const before = { route: findRoute(world.ledger, 'tickets'), tags: new Map(world.engine.tags) };
  const result = await drill();
  expect(result).toMatchObject({ toVersion: 1, route: 'tickets@drill', ready: true, startedServer: true, error: null });
  expect(result.untilSwitchedMs).toBeGreaterThanOrEqual(0);
  expect({ route: findRoute(world.ledger, 'tickets'), tags: world.engine.tags }).toEqual(before);
  expect(listRoutes(world.ledger).map(({ name }) => name)).toEqual(['tickets']);
  expect(running()).toEqual([2]);
  expect(await world.ask('tickets@drill')).toMatchObject({ status: 404 });
  expect(rollbackCandidate(world.ledger, 'tickets', undefined).version.version).toBe(1);
});

test('a version that would not come up is found in the rehearsal, not in the emergency', async () => {
  world.engine.behaviour = 'exits';
  expect(await drill()).toMatchObject({ ready: false, untilSwitchedMs: null, error: { code: 'SERVER_NOT_READY' } });
  expect(await world.ask()).toEqual({ status: 200, version: 'tickets:2' });
  expect(running()).toEqual([2]);
});

test('where memory has no room for a second server it is refused with the figures, unless a second one is asked for', async () => {
  world.engine.obstacle = 'it is too old';
  world.engine.memory = { usedBytes: 9 * 2 ** 30, freeBytes: 2 ** 30, limitBytes: null, of: 'machine' };
  const message = expect.stringContaining('tickets:1 cannot be rehearsed beside the version that is live');
  await expect(drill()).rejects.toMatchObject({ code: 'STRATEGY_IMPOSSIBLE', message });
  expect([running(), await world.ask()]).toEqual([[2], { status: 200, version: 'tickets:2' }]);
  const candidate = rollbackCandidate(world.ledger, 'tickets', undefined);
  const asked = { actor: 'ada', strategy: 'side-by-side' as const };
  expect(await drillRollback(world.edges, candidate, asked)).toMatchObject({ ready: true, startedServer: true });
  expect(running()).toEqual([2]);
});

test('the warm server is rehearsed with, and stays warm', async () => {
  world.edges.keepWarmMs = 300_000;
  await world.promote(1);
  expect(await drill()).toMatchObject({ toVersion: 2, startedServer: false, ready: true });
  expect(running().sort()).toEqual([1, 2]);
  expect(listWarmServers(world.ledger).map(({ version }) => version)).toEqual([2]);
});

test('what a killed rehearsal leaves is found, and ended by the next one', async () => {
  expect(await killAt(world, 'drain: performed', drill)).toBe(true);
  await recoverPromotions(world.edges);
  const due = duePromotions(world.ledger, Date.now());
  expect(due.drills).toEqual(['tickets']);
  expect(isAnythingDue(due)).toBe(true);
  expect(await drill()).toMatchObject({ ready: true });
  expect(running()).toEqual([2]);
  expect(isAnythingDue(duePromotions(world.ledger, Date.now()))).toBe(false);
});

test('the gateway leaves what was interrupted to the next command at first, and stops warm servers in time', () => {
  const nothing = { promotions: [], warm: [], drills: [], canaries: [] };
  const server = { serverId: 's', model: 't', version: 1, engine: 'host' as const, untilMs: 1 };
  expect(isRipe({ ...nothing, drills: ['t'] }, undefined)).toBe(false);
  expect(isRipe({ ...nothing, drills: ['t'] }, { ...nothing, drills: ['t'] })).toBe(true);
  expect(isRipe({ ...nothing, canaries: ['t'] }, { ...nothing, canaries: ['t'] })).toBe(true);
  expect(isRipe({ ...nothing, warm: [server] }, undefined)).toBe(true);
});
