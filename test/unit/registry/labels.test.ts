// Image tags that somebody moved past mlx: found, named, and in the way of the next promotion until they are put back.
import { afterEach, beforeEach, expect, test } from 'vitest';

import { movedTags, putTagsBack } from '../../../src/registry/labels.js';
import { promote } from '../../../src/registry/promote.js';
import { rollbackCandidate } from '../../../src/registry/targets.js';
import { makeWorld, type World } from './world.js';

let world: World;

beforeEach(async () => {
  world = await makeWorld();
  await world.promote(1);
  await world.promote(2);
  moveTag('production', 'v1');
});

afterEach(() => world.close());

function moveTag(name: string, to: string): void {
  world.engine.tags.set(`tickets:${name}`, world.engine.tags.get(`tickets:${to}`) ?? '');
}

const looked = () => movedTags({ ledger: world.ledger, engine: world.edges.engine }, 'tickets');

test('a tag that was moved past mlx is found, with what it names and what it should', async () => {
  expect(await looked()).toMatchObject([
    {
      reference: 'mlx/tickets:production',
      version: 2,
      expected: world.engine.tags.get('tickets:v2'),
      found: world.engine.tags.get('tickets:v1'),
    },
  ]);
});

test('it keeps the next promotion from happening until it is put back; the route never followed it', async () => {
  await expect(world.promote(1)).rejects.toMatchObject({ code: 'TAG_MOVED', exitStatus: 3 });
  expect(await world.ask()).toEqual({ status: 200, version: 'tickets:2' });
  await putTagsBack(world.edges, await looked());
  expect(await looked()).toEqual([]);
  expect(await world.promote(1)).toMatchObject({ outcome: 'promoted' });
});

test('a rollback, which is in a hurry, is not kept from anything and sets the tag anew', async () => {
  const candidate = rollbackCandidate(world.ledger, 'tickets', undefined);
  expect(await promote(world.edges, { ...candidate, kind: 'rollback', actor: 'ada', reason: null })).toMatchObject({
    outcome: 'rolled_back',
  });
  expect(await looked()).toEqual([]);
});

test('a tag that is gone misleads nobody', async () => {
  world.engine.tags.delete('tickets:production');
  expect(await looked()).toEqual([]);
});
