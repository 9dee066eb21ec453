// A canary where memory has no room for a second server: production must not make room for it.
import { afterEach, beforeEach, expect, test } from 'vitest';

import { findRoute } from '../../../src/ledger/promotions.js';
import { listSplits } from '../../../src/ledger/route-splits.js';
import { findVersion } from '../../../src/ledger/versions.js';
import { runCanary } from '../../../src/registry/canary.js';
import { planPromotion } from '../../../src/registry/plan.js';
import type { AskedStrategy } from '../../../src/registry/strategy.js';
import { makeWorld, type World } from './world.js';

const gib = 2 ** 30;
const refused = {
  code: 'STRATEGY_IMPOSSIBLE',
  message: expect.stringContaining('1.0 GiB of memory are free'),
};

let world: World;

beforeEach(async () => {
  world = await makeWorld();
  await world.promote(1);
  world.engine.obstacle = 'it is too old';
  world.engine.memory = { usedBytes: 9 * gib, freeBytes: gib, limitBytes: null, of: 'machine' };
});

afterEach(() => world.close());

const versions = () => [...world.engine.servers.values()].map(({ state }) => state.version).sort();
const target = { route: 'tickets@canary', alias: 'canary', labelled: false };

function run(strategy: AskedStrategy) {
  const version = findVersion(world.ledger, 'tickets:2');
  const asked = { kind: 'canary' as const, sticky: 'key' as const, shares: [5], everyMs: 1 };
  return runCanary(world.edges, { ...asked, version, actor: 'ada', reason: null, strategy });
}

test('it is refused with the figures, and leaves nothing', async () => {
  await expect(run('auto')).rejects.toMatchObject(refused);
  expect([versions(), listSplits(world.ledger)]).toEqual([[1], []]);
  expect(findRoute(world.ledger, 'tickets@canary')).toBeUndefined();
  expect(await world.ask()).toEqual({ status: 200, version: 'tickets:1' });
});

test('it starts all the same where it was asked to', async () => {
  expect(await run('side-by-side')).toMatchObject({ outcome: 'standing', percent: 5 });
  expect(versions()).toEqual([1, 2]);
});

test('its plan is refused as well, or says nothing of stopping production', async () => {
  const version = findVersion(world.ledger, 'tickets:2');
  await expect(planPromotion(world.edges, { version, target }, 'promote')).rejects.toMatchObject(refused);
  const plan = await planPromotion(world.edges, { version, target }, 'promote', 'side-by-side');
  expect(plan.steps.join()).not.toContain('stop');
});
