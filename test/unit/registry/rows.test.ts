// What another command commits while the rows are read is seen wholly, or not at all.
import { afterEach, beforeEach, expect, test } from 'vitest';

import { openLedger, type Ledger } from '../../../src/ledger/open.js';
import { endPromotion, findRoute, setRoute } from '../../../src/ledger/promotions.js';
import { readRows } from '../../../src/registry/rows.js';
import { orphansOf, readScene } from '../../../src/registry/scene.js';
import { production } from '../../../src/registry/targets.js';
import { killAt } from './killed.js';
import { makeWorld, type World } from './world.js';

let world: World;
let other: Ledger;

beforeEach(async () => {
  world = await makeWorld();
  other = openLedger(world.paths.ledgerFile);
  await world.promote(1);
});

afterEach(async () => {
  other.close();
  await world.close();
});

/** Another process does it, as soon as the routes are read. */
function afterRoutes(work: () => void): void {
  const { database } = world.ledger;
  const prepare = database.prepare.bind(database);
  database.prepare = (source: string) => {
    if (source.includes('FROM route_splits')) work();
    return prepare(source);
  };
}

test('a promotion that switches and ends meanwhile does not make an orphan of the new server', async () => {
  expect(await killAt(world, 'flip: begun', (edges) => world.promote(2, production, edges))).toBe(true);
  const before = findRoute(world.ledger, 'tickets');
  const candidate = [...world.engine.servers.values()].find(({ state }) => state.version === 2)?.state;
  if (!before || !candidate) throw new Error('no candidate');
  const scene = await readScene(world.edges);
  afterRoutes(() => {
    setRoute(other, { ...before, version: 2, serverId: candidate.id });
    endPromotion(other, 2, { state: 'promoted', endedAtMs: 1, errorCode: null, errorMessage: null });
  });
  const rows = readRows(world.ledger);
  expect(findRoute(world.ledger, 'tickets')?.serverId).toBe(candidate.id);
  expect(orphansOf({ ...scene, ...rows }, 'host')).toEqual([]);
  expect([rows.routes[0]?.serverId, [...rows.busy]]).toEqual([before.serverId, ['tickets']]);
});
