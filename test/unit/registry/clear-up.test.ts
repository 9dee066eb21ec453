// What `mlx releases recover --dry-run` says, held against what the run then does, in every situation that there is a test for.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { MlxError } from '../../../src/errors.js';
import { findPromotion, findRoute, openPromotions, setRoute } from '../../../src/ledger/promotions.js';
import { setSplit } from '../../../src/ledger/route-splits.js';
import { findVersion } from '../../../src/ledger/versions.js';
import { keepWarm } from '../../../src/ledger/warm-servers.js';
import { clearUp, type ClearedUp } from '../../../src/registry/clear-up.js';
import { planClearUp } from '../../../src/registry/clear-up-plan.js';
import type { PromotionEdges } from '../../../src/registry/edges.js';
import { promote } from '../../../src/registry/promote.js';
import { production } from '../../../src/registry/targets.js';
import { switchPoints } from './kill-points.js';
import { killAt } from './killed.js';
import { makeWorld, type World } from './world.js';

let world: World;

beforeEach(async () => {
  world = await makeWorld();
  await world.promote(1);
});

afterEach(() => world.close());

const all = { servers: true, canaries: true, tags: true };

const route = (name: string) => {
  const found = findRoute(world.ledger, name);
  if (!found) throw new Error(`no route ${name}`);
  return found;
};

/** Both, each told in the same words; the plan changes nothing. */
async function plannedAndDone(edges: PromotionEdges = world.edges, wanted = all) {
  const servers = [...world.engine.servers.keys()];
  const promotions = openPromotions(world.ledger);
  const plan = await planClearUp(edges, wanted);
  expect([[...world.engine.servers.keys()], openPromotions(world.ledger)]).toEqual([servers, promotions]);
  const done = await clearUp(edges, wanted, 'ada');
  const ways = plan.ways.map(({ promotion: { id }, plan: { direction } }) => [id, direction]);
  const states = done.settled.promotions.map(({ id }) => [
    id,
    findPromotion(world.ledger, id)?.state === 'promoted' ? 'finish' : 'undo',
  ]);
  return { planned: { ...toldOf(plan), ways }, done: { ...toldOf(done), ways: states } };
}

function toldOf({ settled, left, restarted, tags, lost, orphans, unseen, notDone }: ClearedUp) {
  const due = ({ promotions, warm, drills, canaries }: ClearedUp['settled']) => ({
    ...{ drills, canaries, promotions: promotions.map(({ id }) => id) },
    warm: warm.map(({ serverId, engine }) => `${serverId} ${engine}`),
  });
  return {
    ...{ lost, orphans, unseen, notDone, settled: due(settled), left: due(left) },
    restarted: restarted.map(({ route: name, toVersion, outcome, alias }) => ({ name, toVersion, outcome, alias })),
    tags: tags.map(({ reference, version }) => `${reference} ${version}`),
  };
}

describe('of a promotion that was killed, the plan is what is done', () => {
  test.each(switchPoints)('at "%s"', async (point) => {
    await world.promote(1, 'staging');
    expect(await killAt(world, point, (edges) => world.promote(2, production, edges))).toBe(true);
    const { planned, done } = await plannedAndDone();
    expect(planned).toEqual(done);
    expect(planned.ways).toHaveLength(1);
  });

  test.each(switchPoints)('at "%s", when the server that had the route died meanwhile', async (point) => {
    const before = route('tickets').serverId;
    expect(await killAt(world, point, (edges) => world.promote(2, production, { ...edges, keepWarmMs: 60_000 }))).toBe(
      true,
    );
    await world.engine.stopServer(before);
    const { planned, done } = await plannedAndDone({ ...world.edges, keepWarmMs: 60_000 });
    expect(planned).toEqual(done);
  });

  test('past its switch, when the new server died and the old one lives: it goes back', async () => {
    expect(await killAt(world, 'flip: performed', (edges) => world.promote(2, production, edges))).toBe(true);
    await world.engine.stopServer(route('tickets').serverId);
    const { planned, done } = await plannedAndDone();
    expect(planned).toEqual(done);
    expect(planned).toMatchObject({ ways: [[2, 'undo']], restarted: [] });
  });

  test('with a tag that was moved: to be set anyway', async () => {
    expect(await killAt(world, 'tags: begun', (edges) => world.promote(2, production, edges))).toBe(true);
    world.engine.tags.set('tickets:production', world.engine.tags.get('tickets:v2') ?? '');
    const { planned, done } = await plannedAndDone();
    expect(planned).toEqual(done);
    expect(planned.tags).toEqual([]);
  });

  test.each(['stop: performed', 'start: performed', 'ready: begun'] as const)(
    'at "%s", where there was no room for two',
    async (point) => {
      expect(await killAt(world, point, (edges) => world.promote(2, production, edges, 'hold'))).toBe(true);
      const { planned, done } = await plannedAndDone();
      expect(planned).toEqual(done);
      expect(planned.ways).toEqual([[2, 'undo']]);
    },
  );

  test('at the start of a canary, which is finished and then taken back', async () => {
    expect(await killAt(world, 'tags: begun', (edges) => world.promote(2, production, edges))).toBe(true);
    expect(await plannedAndDone()).toMatchObject({ planned: { ways: [[2, 'finish']] } });
    const target = { route: 'tickets@canary', alias: 'canary', labelled: false };
    expect(await killAt(world, 'drain: begun', (edges) => promoteTo(edges, target))).toBe(true);
    const { planned, done } = await plannedAndDone();
    expect(planned).toEqual(done);
    expect(planned.settled.canaries).toEqual(['tickets']);
  });

  test('beside a rehearsal that was left over: it ends too', async () => {
    await world.promote(2, 'drill');
    expect(await killAt(world, 'ready: begun', (edges) => world.promote(2, production, edges))).toBe(true);
    const { planned, done } = await plannedAndDone();
    expect(planned).toEqual(done);
    expect(planned.settled.drills).toEqual(['tickets']);
  });
});

function promoteTo(edges: PromotionEdges, target: { route: string; alias: string; labelled: boolean }) {
  const version = findVersion(edges.ledger, 'tickets:1');
  return promote(edges, { version, target, kind: 'promote', actor: 'ada', reason: null });
}

describe('the plan tells', () => {
  test('servers that are gone, and those that nothing leads to', async () => {
    await world.promote(2, 'staging');
    const [gone, orphan] = [route('tickets').serverId, route('tickets@staging').serverId];
    await world.engine.stopServer(gone);
    world.ledger.database.exec("DELETE FROM routes WHERE name = 'tickets@staging'");
    const without = await plannedAndDone(world.edges, { servers: false, canaries: false, tags: false });
    expect(without.planned).toEqual(without.done);
    expect(without.planned).toMatchObject({ orphans: [orphan], restarted: [] });
    const { planned, done } = await plannedAndDone();
    expect(planned).toEqual(done);
    expect(planned.restarted).toEqual([{ name: 'tickets', toVersion: 1, outcome: 'restarted', alias: production }]);
  });

  test('of a model whose server is started again, that its orphans go with the switch', async () => {
    await world.promote(2, 'staging');
    await world.engine.stopServer(route('tickets').serverId);
    world.ledger.database.exec("DELETE FROM routes WHERE name = 'tickets@staging'");
    const { planned, done } = await plannedAndDone();
    expect(planned).toEqual(done);
    expect(planned).toMatchObject({ orphans: [], restarted: [{ name: 'tickets' }] });
  });

  test('a canary that lost its server, tags that were moved, rehearsals, and what was kept warm long enough', async () => {
    await world.promote(2, 'staging');
    await world.promote(2, 'drill');
    await world.promote(2, 'beta');
    setRoute(world.ledger, { ...route('tickets@staging'), name: 'tickets@canary' });
    const split = { name: 'tickets', kind: 'canary', candidate: 'tickets@canary', percent: 5, sticky: 'key' } as const;
    setSplit(world.ledger, { ...split, owner: null });
    world.ledger.database.exec("DELETE FROM routes WHERE name IN ('tickets@staging', 'tickets@beta')");
    const { serverId } = route('tickets@canary');
    await world.engine.stopServer(serverId);
    const [, kept = ''] = [...world.engine.servers.keys()].filter((id) => id !== route('tickets').serverId);
    keepWarm(world.ledger, { serverId: kept, model: 'tickets', version: 2, engine: 'host', untilMs: 1 });
    world.engine.tags.set('tickets:production', world.engine.tags.get('tickets:v2') ?? '');
    const { planned, done } = await plannedAndDone();
    expect(planned).toEqual(done);
    expect(planned).toMatchObject({
      lost: ['tickets'],
      tags: ['mlx/tickets:production 1'],
      settled: { drills: ['tickets'] },
    });
  });

  test('what is left because an engine does not answer', async () => {
    expect(await killAt(world, 'start: performed', (edges) => world.promote(2, production, edges))).toBe(true);
    const { serverId } = route('tickets');
    keepWarm(world.ledger, { serverId: 'another', model: 'tickets', version: 2, engine: 'host', untilMs: 1 });
    const silent = () => Promise.reject(new MlxError('DOCKER_UNREACHABLE', 'The Docker Engine does not answer.'));
    const { planned, done } = await plannedAndDone({ ...world.edges, engine: silent });
    expect(planned).toEqual(done);
    expect(planned).toMatchObject({
      unseen: ['host'],
      notDone: true,
      left: { promotions: [2], warm: ['another host'] },
    });
    expect(route('tickets').serverId).toBe(serverId);
  });

  test('what is gone of the engine that answers, where another one does not', async () => {
    await world.promote(2, 'staging');
    world.ledger.database.exec("UPDATE model_versions SET engine = 'docker' WHERE version = 2");
    setRoute(world.ledger, { ...route('tickets@staging'), engine: 'docker' });
    await world.engine.stopServer(route('tickets').serverId);
    const engine: PromotionEdges['engine'] = (kind) =>
      kind === 'host' ? Promise.resolve(world.engine) : Promise.reject(new MlxError('DOCKER_UNREACHABLE', 'silent'));
    const { planned, done } = await plannedAndDone({ ...world.edges, engine }, { ...all, tags: false });
    expect(planned).toEqual(done);
    expect(planned).toMatchObject({ restarted: [{ name: 'tickets' }], unseen: ['docker'], notDone: true });
  });
});
