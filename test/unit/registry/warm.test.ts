// The old server stays for a while after a switch, so that the way back is a switch of the route alone.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { findRoute } from '../../../src/ledger/promotions.js';
import { listSteps } from '../../../src/ledger/promotion-steps.js';
import { keepWarm, listWarmServers, setWarmUntil } from '../../../src/ledger/warm-servers.js';
import type { PromotionEdges } from '../../../src/registry/edges.js';
import type { FailPoint } from '../../../src/registry/journal.js';
import { recoverPromotions } from '../../../src/registry/recover.js';
import { stopExpiredServers } from '../../../src/registry/retire.js';
import { killAt } from './killed.js';
import { makeWorld, type World } from './world.js';

let world: World;

beforeEach(async () => {
  world = await makeWorld();
  world.edges.keepWarmMs = 300_000;
  await world.promote(1);
  await world.promote(2);
});

afterEach(() => world.close());

const rollback = (edges: PromotionEdges = world.edges) => world.rollback(edges);
const running = () => [...world.engine.servers.values()].map(({ state }) => state.version);
const warm = () => listWarmServers(world.ledger).map(({ version }) => version);
const later = (durationMs: number) => ({ ...world.edges, now: () => new Date(Date.now() + durationMs) });

test('a rollback starts nothing and waits for nothing: it is a switch of the route', async () => {
  expect([running(), warm()]).toEqual([[1, 2], [1]]);
  const started = world.engine.started.length;
  world.steps.length = 0;
  expect(await rollback()).toMatchObject({ outcome: 'rolled_back', toVersion: 1 });
  expect(await world.ask()).toEqual({ status: 200, version: 'tickets:1' });
  expect(world.engine.started).toHaveLength(started);
  expect(listSteps(world.ledger, 3).map(({ step }) => step)).toEqual(['flip', 'tags', 'drain']);
  expect([running(), warm()]).toEqual([[1, 2], [2]]);
});

test('an open stream goes on on the server that is kept', async () => {
  const { body } = await world.openStream();
  await rollback();
  world.engine.openStreams[0]?.end('data: [DONE]\n\n');
  expect(await body.text()).toContain('[DONE]');
  expect(world.notes).toEqual([]);
});

test('it is stopped when its time is over, and not before', async () => {
  expect(await stopExpiredServers(later(299_000))).toEqual([]);
  expect((await stopExpiredServers(later(301_000))).map(({ version }) => version)).toEqual([1]);
  expect([running(), warm()]).toEqual([[2], []]);
  expect(await world.ask()).toEqual({ status: 200, version: 'tickets:2' });
});

test('one whose time is over is not chosen any more: the version starts anew', async () => {
  expect(await rollback(later(301_000))).toMatchObject({ outcome: 'rolled_back' });
  expect(world.engine.started.map(({ version }) => version)).toEqual([1, 2, 1]);
  expect(await world.ask()).toEqual({ status: 200, version: 'tickets:1' });
});

test('one that died is not chosen', async () => {
  const [first = ''] = world.engine.servers.keys();
  await world.engine.stopServer(first);
  expect(await rollback()).toMatchObject({ outcome: 'rolled_back' });
  expect([running(), warm()]).toEqual([[2, 1], [2]]);
});

test('one that is given up while it is looked at is not used: the version starts anew', async () => {
  const listServers = world.engine.listServers;
  world.engine.listServers = async () => {
    world.engine.listServers = listServers;
    for (const { serverId } of listWarmServers(world.ledger))
      setWarmUntil(world.ledger, serverId, { notBeforeMs: 0, untilMs: 0 });
    return listServers();
  };
  expect(await rollback()).toMatchObject({ outcome: 'rolled_back' });
  expect(world.engine.started.map(({ version }) => version)).toEqual([1, 2, 1]);
  expect(await world.ask()).toEqual({ status: 200, version: 'tickets:1' });
});

test('a strategy that was asked for is said to have no effect where nothing is started', async () => {
  await world.promote(1, 'production', world.edges, 'hold');
  expect(world.notes).toEqual([expect.stringContaining('--strategy hold has no effect here: tickets-v1-')]);
  expect(world.steps).not.toContain('hold');
  await world.promote(2, 'production', world.edges, 'auto');
  expect(world.notes).toHaveLength(1);
});

test('it makes room before a third version starts', async () => {
  const { packageRun } = await import('../../../src/registry/package.js');
  await packageRun(world.packageEdges, await world.addRun('run-3'));
  world.engine.behaviour = 'exits';
  expect(await world.promote(3)).toMatchObject({ outcome: 'failed' });
  expect([running(), warm()]).toEqual([[2], []]);
  world.engine.behaviour = 'good';
  expect(await world.promote(3)).toMatchObject({ outcome: 'promoted' });
  expect([running(), warm()]).toEqual([[2, 3], [2]]);
});

test('one that has a route again is not stopped when its time is over', async () => {
  const serverId = findRoute(world.ledger, 'tickets')?.serverId ?? '';
  keepWarm(world.ledger, { serverId, model: 'tickets', version: 2, engine: 'host', untilMs: 1 });
  await stopExpiredServers(world.edges);
  expect(running()).toContain(2);
  expect(warm()).toEqual([1]);
});

describe('a rollback to a warm server that is killed', () => {
  const points: FailPoint[] = ['flip: begun', 'flip: performed', 'tags: begun', 'tags: performed', 'drain: begun'];

  test.each([...points, 'drain: performed', 'end: begun'] satisfies FailPoint[])(
    'at "%s" leaves one version live and the other warm',
    async (point) => {
      expect(await killAt(world, point, rollback)).toBe(true);
      await recoverPromotions(world.edges);
      const version = point === 'flip: begun' ? 2 : 1;
      expect(await world.ask()).toEqual({ status: 200, version: `tickets:${version}` });
      expect([running(), warm()]).toEqual([[1, 2], [3 - version]]);
    },
  );
});
