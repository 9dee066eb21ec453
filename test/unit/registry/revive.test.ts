import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { currentOwner } from '../../../src/engine/owner.js';
import { MlxError } from '../../../src/errors.js';
import { beginStep, endStep } from '../../../src/ledger/promotion-steps.js';
import { findRoute, setRoute } from '../../../src/ledger/promotions.js';
import { endLostCanaries } from '../../../src/registry/canary-end.js';
import type { PromotionEdges } from '../../../src/registry/edges.js';
import { restartLostServers, stopOrphans } from '../../../src/registry/lost-servers.js';
import { recoverPromotions } from '../../../src/registry/recover.js';
import { goneRoutes, remedy } from '../../../src/registry/revive.js';
import { findSplit, setSplit } from '../../../src/ledger/route-splits.js';
import { at, killAt } from './killed.js';
import { makeWorld, type World } from './world.js';

let world: World;

beforeEach(async () => {
  world = await makeWorld();
  await world.promote(1);
  await world.promote(2, 'staging');
});

afterEach(() => world.close());

const routed = (name: string) => findRoute(world.ledger, name);

const gone = async () => {
  const found = await goneRoutes({ paths: world.paths, warn: (line) => world.notes.push(line) });
  return found.map(({ name }) => name);
};

test('routes that lead to no process are found, and those whose container does not answer', async () => {
  // Nothing wrote down that these processes run.
  expect(await gone()).toEqual(['tickets', 'tickets@staging']);
  const [production, staging] = [routed('tickets'), routed('tickets@staging')];
  if (!production || !staging) throw new Error('no route');
  for (const route of [production, staging]) setRoute(world.ledger, { ...route, engine: 'docker' });
  expect(await gone()).toEqual([]);
  await world.engine.stopServer(staging.serverId);
  expect(await gone()).toEqual(['tickets@staging']);
});

test('drills, and what a command is at work on, are left alone', async () => {
  const route = routed('tickets@staging');
  if (!route) throw new Error('no route');
  setRoute(world.ledger, { ...route, name: 'tickets@drill' });
  expect(await gone()).toEqual(['tickets', 'tickets@staging']);
  const watched = (owner: string) => JSON.stringify({ step: 'watch', owner, version: 1, against: 2, untilMs: 9 });
  const step = { promotionId: 1, step: 'watch', begunAtMs: 1 };
  const position = beginStep(world.ledger, { ...step, subject: watched(currentOwner()) });
  beginStep(world.ledger, { ...step, promotionId: 2, subject: watched('1:1:dead') });
  expect(await gone()).toEqual(['tickets@staging']);
  endStep(world.ledger, { ...step, position }, 'done', 2);
  expect(await gone()).toEqual(['tickets', 'tickets@staging']);
  await killAt(world, 'flip: begun', (edges) => world.promote(2, 'production', edges));
  expect(await gone()).toEqual([]);
});

test('what is gone is started again on the same route; what the engine starts again by itself is left to it', async () => {
  const [production, staging] = [routed('tickets')?.serverId ?? '', routed('tickets@staging')?.serverId ?? ''];
  const crashed = world.engine.servers.get(production);
  if (!crashed) throw new Error('no server');
  crashed.state = { ...crashed.state, state: 'exited', restarting: true };
  await world.engine.stopServer(staging);
  const restarted = await restartLostServers(world.edges, 'ada');
  const expected = { outcome: 'restarted', route: 'tickets@staging', toVersion: 2, error: null };
  expect(restarted).toMatchObject({ done: [expected], whole: true });
  expect(routed('tickets')?.serverId).toBe(production);
  expect(await world.ask('tickets@staging')).toEqual({ status: 200, version: 'tickets:2' });
  expect(await restartLostServers(world.edges, 'ada')).toEqual({ done: [], whole: true });
  expect(world.notes.join()).toContain(`The model server of tickets@staging (${staging}) is gone`);
});

describe('of several that are gone', () => {
  let servers: string[];

  beforeEach(async () => {
    servers = [...world.engine.servers.keys()];
    for (const id of servers) await world.engine.stopServer(id);
  });

  test('one that another command has started again meanwhile is not started once more', async () => {
    const edges = at(world, 'end: begun', () => {
      const route = routed('tickets@staging');
      if (route) setRoute(world.ledger, { ...route, serverId: 'another' });
    });
    expect(await restartLostServers(edges, 'ada')).toMatchObject({ done: [{ route: 'tickets' }], whole: true });
    expect(routed('tickets@staging')?.serverId).toBe('another');
  });

  test('one that cannot be started is told, and the others with it', async () => {
    let away = false;
    const engine: PromotionEdges['engine'] = () =>
      away ? Promise.reject(new MlxError('DOCKER_UNREACHABLE', 'silent')) : Promise.resolve(world.engine);
    const edges = { ...at(world, 'end: begun', () => void (away = true)), engine };
    expect(await restartLostServers(edges, 'ada')).toMatchObject({ done: [{ route: 'tickets' }], whole: false });
    expect(world.notes.at(-1)).toBe('The model server of tickets@staging could not be started again. silent');
  });
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
  expect(await gone()).not.toContain('tickets@canary');
  setSplit(world.ledger, { ...split, owner: null });
  expect(await gone()).toContain('tickets@canary');
  const words = (name: string, engine: 'docker' | 'host') => remedy({ name, model: 'tickets', engine }).words.join(' ');
  expect([words('tickets@canary', 'host'), words('tickets', 'host'), words('tickets', 'docker')]).toEqual([
    'releases recover --canaries',
    'serve tickets',
    'releases recover --servers',
  ]);
  const none = { done: [], whole: true };
  expect(await endLostCanaries(world.edges, 'ada')).toEqual(none);
  const server = world.engine.servers.get(route.serverId);
  if (!server) throw new Error('no server');
  // As after a reboot: its container loads the model, and does not answer yet.
  server.state = { ...server.state, state: 'starting', startedAtMs: Date.now() };
  await new Promise((resolve) => server.runsIn.http.close(resolve).closeAllConnections());
  expect(await endLostCanaries(world.edges, 'ada')).toEqual(none);
  // As between a crash and Docker's next attempt.
  server.state = { ...server.state, state: 'exited', restarting: true };
  expect(await endLostCanaries(world.edges, 'ada')).toEqual(none);
  await world.engine.stopServer(route.serverId);
  expect(await endLostCanaries(world.edges, 'ada')).toEqual({ done: ['tickets'], whole: true });
  expect([findSplit(world.ledger, 'tickets'), routed('tickets@canary'), routed('tickets')?.version]).toEqual([
    undefined,
    undefined,
    1,
  ]);
});

test('a server that nothing leads to is stopped, unless a command is at work on its model', async () => {
  expect(await stopOrphans(world.edges)).toEqual({ stopped: [], unseen: [] });
  const orphan = routed('tickets@staging')?.serverId ?? '';
  world.ledger.database.exec("UPDATE routes SET server_id = 'another' WHERE server_id = '" + orphan + "'");
  expect(await killAt(world, 'start: begun', (edges) => world.promote(2, 'beta', edges))).toBe(true);
  expect(await stopOrphans(world.edges)).toEqual({ stopped: [], unseen: [] });
  await recoverPromotions(world.edges);
  expect(await stopOrphans(world.edges)).toEqual({ stopped: [orphan], unseen: [] });
  expect(world.engine.servers.has(orphan)).toBe(false);
});
