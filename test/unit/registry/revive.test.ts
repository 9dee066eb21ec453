import { afterEach, beforeEach, expect, test } from 'vitest';

import { findRoute, setRoute } from '../../../src/ledger/promotions.js';
import { endLostCanaries } from '../../../src/registry/canary-end.js';
import { afterAttempt, remedy, routesWithout } from '../../../src/registry/revive.js';
import { findSplit, setSplit } from '../../../src/ledger/route-splits.js';
import { killAt } from './killed.js';
import { makeWorld, type World } from './world.js';

let world: World;

beforeEach(async () => {
  world = await makeWorld();
  await world.promote(1);
  await world.promote(2, 'staging');
});

afterEach(() => world.close());

const routed = (name: string) => findRoute(world.ledger, name);

test('routes that lead to no running server are found', () => {
  const [production, staging] = [routed('tickets')?.serverId ?? '', routed('tickets@staging')?.serverId ?? ''];
  expect(routesWithout(world.ledger, new Set([production, staging]))).toEqual([]);
  expect(routesWithout(world.ledger, new Set([staging]))).toEqual(['tickets']);
  expect(routesWithout(world.ledger, new Set())).toEqual(['tickets', 'tickets@staging']);
});

test('drills, containers, and what a command is at work on are left alone', async () => {
  const route = routed('tickets@staging');
  if (!route) throw new Error('no route');
  setRoute(world.ledger, { ...route, name: 'tickets@drill' });
  setRoute(world.ledger, { ...route, engine: 'docker' });
  expect(routesWithout(world.ledger, new Set())).toEqual(['tickets']);
  await killAt(world, 'flip: begun', (edges) => world.promote(2, 'production', edges));
  expect(routesWithout(world.ledger, new Set())).toEqual([]);
});

test('a canary that stands and lost its server is taken back, not started again; one that a command steps is left to it', async () => {
  const route = routed('tickets@staging');
  if (!route) throw new Error('no route');
  setRoute(world.ledger, { ...route, name: 'tickets@canary' });
  const split = {
    name: 'tickets',
    kind: 'canary' as const,
    candidate: 'tickets@canary',
    percent: 50,
    sticky: 'key' as const,
  };
  setSplit(world.ledger, { ...split, owner: '1:1:dead' });
  expect(routesWithout(world.ledger, new Set())).not.toContain('tickets@canary');
  setSplit(world.ledger, { ...split, owner: null });
  expect(routesWithout(world.ledger, new Set())).toContain('tickets@canary');
  expect([remedy('tickets@canary').words, remedy('tickets').words]).toEqual([
    ['releases', 'recover', '--canaries'],
    ['serve', 'tickets'],
  ]);
  expect(await endLostCanaries(world.edges)).toEqual([]);
  await world.engine.stopServer(route.serverId);
  expect(await endLostCanaries(world.edges)).toEqual(['tickets']);
  expect([findSplit(world.ledger, 'tickets'), routed('tickets@canary'), routed('tickets')?.version]).toEqual([
    undefined,
    undefined,
    1,
  ]);
});

test('one that does not come up is tried more and more seldom, and never given up', () => {
  const waits: number[] = [];
  let attempts = { tried: 0, nextAtMs: 0 };
  for (let round = 0; round < 8; round += 1) {
    attempts = afterAttempt(attempts, 0);
    waits.push(attempts.nextAtMs / 1_000);
  }
  expect(waits).toEqual([15, 30, 60, 120, 240, 480, 600, 600]);
});
