import { afterEach, beforeEach, expect, test } from 'vitest';

import { findRoute, setRoute } from '../../../src/ledger/promotions.js';
import { afterAttempt, routesWithout } from '../../../src/registry/revive.js';
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

test('trials, containers, and what a command is at work on are left alone', async () => {
  const route = routed('tickets@staging');
  if (!route) throw new Error('no route');
  for (const name of ['tickets@drill', 'tickets@canary']) setRoute(world.ledger, { ...route, name });
  setRoute(world.ledger, { ...route, engine: 'docker' });
  expect(routesWithout(world.ledger, new Set())).toEqual(['tickets']);
  await killAt(world, 'flip: begun', (edges) => world.promote(2, 'production', edges));
  expect(routesWithout(world.ledger, new Set())).toEqual([]);
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
