import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { currentOwner } from '../../../src/engine/owner.js';
import { verifyAudit } from '../../../src/ledger/audit.js';
import { findRoute, listPromotions, startPromotion } from '../../../src/ledger/promotions.js';
import { listSteps } from '../../../src/ledger/promotion-steps.js';
import { aliasedVersion } from '../../../src/ledger/versions.js';
import type { PromotionEdges } from '../../../src/registry/edges.js';
import type { FailPoint } from '../../../src/registry/journal.js';
import { recoverPromotions } from '../../../src/registry/recover.js';
import { planRecovery, type Facts } from '../../../src/registry/recovery.js';
import { readJournal, type JournalEntry, type Subject } from '../../../src/registry/subjects.js';
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

const commands = {
  promote: (edges: PromotionEdges) => world.promote(2, production, edges),
  rollback: (edges: PromotionEdges) => world.rollback(edges),
};

const backPoints: FailPoint[] = [
  'undo tags: begun',
  'undo tags: performed',
  'undo flip: begun',
  'undo flip: performed',
  'undo ready: begun',
  'undo ready: performed',
  'undo start: begun',
  'undo start: performed',
  'end: begun',
];

const tag = (name: string) => world.engine.tags.get(`tickets:${name}`);

/** One version: of the route, of the gateway, of the aliases and of the tags; one server; nothing under way. */
async function expectConsistent(version: number, previous: number | undefined): Promise<void> {
  const route = findRoute(world.ledger, 'tickets');
  expect(route?.version).toBe(version);
  expect([...world.engine.servers.keys()]).toEqual([route?.serverId]);
  expect(await world.ask()).toEqual({ status: 200, version: `tickets:${version}` });
  const alias = (name: string) => aliasedVersion(world.ledger, 'tickets', name);
  expect([alias('production'), alias('previous')]).toEqual([version, previous]);
  expect([tag('production'), tag('previous')]).toEqual([tag(`v${version}`), previous && tag(`v${previous}`)]);
  expect(listPromotions(world.ledger, { state: 'started', limit: 9 })).toEqual([]);
  expect(verifyAudit(world.ledger).findings).toEqual([]);
}

test('the journal has every step of a promotion before it is done, and when it was', async () => {
  const seen: FailPoint[] = [];
  const states: string[] = [];
  await commands.promote({
    ...world.edges,
    failPoint: async (point) => {
      seen.push(point);
      states.push(readJournal(world.ledger, 2).at(-1)?.state ?? '');
    },
  });
  expect(seen).toEqual(switchPoints);
  expect(states.slice(0, -1)).toEqual(switchPoints.slice(0, -1).map(() => 'begun'));
  expect(listSteps(world.ledger, 2)).toMatchObject(
    ['start', 'ready', 'flip', 'tags', 'drain'].map((step, index) => ({ step, position: index + 1, state: 'done' })),
  );
});

describe('a promotion that is killed', () => {
  test.each(switchPoints)(
    'at "%s" leaves one version serving, and the next command finishes or undoes it',
    async (point) => {
      expect(await killAt(world, point, commands.promote)).toBe(true);
      expect((await world.ask()).status).toBe(200);
      await recoverPromotions(world.edges);
      const finished = switchPoints.indexOf(point) >= switchPoints.indexOf('flip: performed');
      await expectConsistent(finished ? 2 : 1, finished ? 1 : undefined);
      const [last] = listPromotions(world.ledger, { limit: 1 });
      expect(last).toMatchObject(finished ? { state: 'promoted' } : { state: 'failed', errorCode: 'OWNER_DIED' });
      expect(world.notes.join()).toContain(finished ? 'finished now' : 'undone');
    },
  );
});

describe('a rollback that is killed', () => {
  test.each(switchPoints)(
    'at "%s" leaves one version serving, and the next command finishes or undoes it',
    async (point) => {
      await commands.promote(world.edges);
      expect(await killAt(world, point, commands.rollback)).toBe(true);
      expect((await world.ask()).status).toBe(200);
      await recoverPromotions(world.edges);
      const finished = switchPoints.indexOf(point) >= switchPoints.indexOf('flip: performed');
      await expectConsistent(finished ? 1 : 2, finished ? undefined : 1);
    },
  );
});

describe('a promotion whose tag cannot be moved and that is killed while it is taken back', () => {
  test.each(backPoints)('at "%s" is taken back wholly by the next command', async (point) => {
    world.engine.failingTag = 'previous';
    expect(await killAt(world, point, commands.promote)).toBe(true);
    world.engine.failingTag = undefined;
    expect((await world.ask()).status).toBe(200);
    await recoverPromotions(world.edges);
    await expectConsistent(1, undefined);
    expect(listPromotions(world.ledger, { limit: 1 })).toMatchObject([{ state: 'failed', errorCode: 'DISK_FULL' }]);
  });
});

test('recovery that is killed itself is recovered from', async () => {
  await killAt(world, 'tags: begun', commands.promote);
  expect(await killAt(world, 'drain: begun', recoverPromotions)).toBe(true);
  expect(await killAt(world, 'drain: performed', recoverPromotions)).toBe(true);
  await recoverPromotions(world.edges);
  await expectConsistent(2, 1);
});

test('after the flip a candidate that died gives the route back to the old server that lives', async () => {
  await killAt(world, 'flip: performed', commands.promote);
  const candidate = findRoute(world.ledger, 'tickets')?.serverId ?? '';
  await world.engine.stopServer(candidate);
  await recoverPromotions(world.edges);
  await expectConsistent(1, undefined);
});

test('what cannot be undone now is left to the next command', async () => {
  world.engine.failingTag = 'previous';
  const promoting = commands.promote({
    ...world.edges,
    failPoint: async (point) => {
      // Neither of the two tags can be put back.
      if (point === 'undo tags: begun') world.engine.failingTag = 'production';
    },
  });
  expect(await promoting).toMatchObject({ outcome: 'failed', error: { code: 'DISK_FULL' } });
  expect(world.notes.join()).toContain("'tags' could not be undone");
  world.engine.failingTag = undefined;
  await recoverPromotions(world.edges);
  await expectConsistent(1, undefined);
});

test("a promotion whose command lives is nobody's business", async () => {
  const row = { kind: 'promote', model: 'tickets', alias: 'production', fromVersion: 1, toVersion: 2 } as const;
  startPromotion(world.ledger, { ...row, actor: 'ada', reason: null, owner: currentOwner(), startedAtMs: 1 });
  expect(await recoverPromotions(world.edges)).toEqual([]);
  await expect(world.promote(2)).rejects.toMatchObject({ code: 'BUSY' });
});

describe('what becomes of an interrupted promotion', () => {
  const route = { name: 't', model: 't', digest: 'd', engine: 'host' as const, address: 'unix:/s', updatedAtMs: 1 };
  const subjects: Subject[] = [
    { step: 'start', serverId: 'new', engine: 'host' },
    { step: 'ready', serverId: 'new' },
    {
      step: 'flip',
      before: { ...route, version: 1, serverId: 'old' },
      after: { ...route, version: 2, serverId: 'new' },
    },
    { step: 'tags', model: 't', tags: [], aliases: [] },
    { step: 'drain', engines: ['host'], warm: null },
  ];
  const upTo = (count: number): JournalEntry[] =>
    subjects.slice(0, count).map((subject, index) => {
      return { promotionId: 1, position: index + 1, state: index + 1 < count ? 'done' : 'begun', subject };
    });
  const facts: Facts = { routedServer: 'new', candidateAlive: true, formerAlive: true };
  const undo = { direction: 'undo' };

  test.each<[string, number, boolean, Partial<Facts>, object]>([
    ['nothing was begun', 0, false, { routedServer: 'old' }, undo],
    ['the row of the route was not written', 3, false, { routedServer: 'old' }, undo],
    ['the row of the route was written', 3, false, {}, { direction: 'finish', left: ['tags', 'drain'] }],
    ['tags were being moved', 4, false, {}, { direction: 'finish', left: ['tags', 'drain'] }],
    ['it was on its way back', 4, true, {}, undo],
    ['the candidate died and the old one lives', 4, false, { candidateAlive: false }, undo],
    ['both died', 4, false, { candidateAlive: false, formerAlive: false }, { direction: 'finish' }],
    ['the old one may be stopped', 5, false, { candidateAlive: false }, { direction: 'finish', left: ['drain'] }],
  ])('%s', (_title, count, turnedBack, differing, expected) => {
    expect(planRecovery(upTo(count), turnedBack, { ...facts, ...differing })).toMatchObject(expected);
  });

  test('is undone backwards, without what is undone already', () => {
    const entries = upTo(4).map((entry) => (entry.position === 4 ? { ...entry, state: 'undone' as const } : entry));
    const plan = planRecovery(entries, true, facts);
    expect(plan.direction === 'undo' && plan.entries.map(({ subject }) => subject.step)).toEqual([
      'flip',
      'ready',
      'start',
    ]);
  });
});
