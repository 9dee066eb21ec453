import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { findRoute, setRoute } from '../../../src/ledger/promotions.js';
import { aliasedVersion, deleteAlias, findVersion, setAlias } from '../../../src/ledger/versions.js';
import { runCanary } from '../../../src/registry/canary.js';
import { endCanary } from '../../../src/registry/canary-end.js';
import type { PromotionEdges } from '../../../src/registry/edges.js';
import { afterSwitch, earlierVersions, type History, type Switch } from '../../../src/registry/history.js';
import { packageRun } from '../../../src/registry/package.js';
import { promote } from '../../../src/registry/promote.js';
import { aliasTarget, production, rollbackCandidate } from '../../../src/registry/targets.js';
import { watchOf, watchRelease } from '../../../src/registry/watch.js';
import { makeWorld, type World } from './world.js';

/** `2`: promoted; `<`: back by one; `<1`: back to that one. */
function historyOf(words: string): { history: History; live: number } {
  let live: number | null = null;
  let history: History = { stood: [], left: [] };
  for (const word of words.split(' ')) {
    const back = word.startsWith('<');
    const named = word.replace('<', '');
    const earlier: number[] = live === null ? [] : earlierVersions(history, live);
    const toVersion: number = named === '' ? (earlier[0] ?? 0) : Number(named);
    const moved: Switch = { kind: back ? 'rollback' : 'promote', fromVersion: live, toVersion };
    history = afterSwitch(history, moved);
    live = toVersion;
  }
  return { history, live: live ?? 0 };
}

describe('what a rollback goes back to', () => {
  test.each<[string, number[], number[]]>([
    ['1', [], []],
    ['1 2', [1], []],
    ['1 2 <', [], [2]],
    ['1 2 3 < <', [], [3, 2]],
    ['1 2 3 <', [1], [3]],
    // Rolled back, and something better found.
    ['1 2 < 3', [1], [2]],
    ['1 2 < 3 <', [], [2, 3]],
    // Promoted in turn: the one before each time, but not what was left.
    ['1 2 1', [2], []],
    ['1 2 1 <', [], [1]],
    ['1 2 1 2 <', [], [2]],
    // The rollback is undone, by a promotion or by its number.
    ['1 2 < 2', [1], []],
    ['1 2 < <2', [1], []],
    ['1 2 3 < < 3', [1], [2]],
    ['1 2 3 <1 <2', [1], [3]],
    // By its number: over what stood between; to one that was never live.
    ['1 2 3 <1', [], [2, 3]],
    ['1 2 3 <5', [2, 1], [3]],
  ])('after %s are %j, nearest first, and never %j', (words, earlier, left) => {
    const { history, live } = historyOf(words);
    expect(earlierVersions(history, live)).toEqual(earlier);
    expect(history.left.toSorted()).toEqual(left.toSorted());
  });

  test('where the alias was moved without a promotion is what stood before what it names', () => {
    const { history } = historyOf('1 2 3');
    expect(earlierVersions(history, 2)).toEqual([1]);
    expect(earlierVersions(history, 7)).toEqual([3, 2, 1]);
    expect(afterSwitch(history, { kind: 'promote', fromVersion: 2, toVersion: 4 }).stood).toEqual([1, 2, 4]);
  });
});

const canaryServer = (ledger: World['ledger']) => findRoute(ledger, 'tickets@canary')?.serverId ?? '';

describe('a bare rollback', () => {
  let world: World;

  beforeEach(async () => {
    world = await makeWorld();
    await packageRun(world.packageEdges, await world.addRun('run-3'));
  });

  afterEach(() => world.close());

  const labels = () => [production, 'previous'].map((name) => aliasedVersion(world.ledger, 'tickets', name));
  const tags = () => [production, 'previous'].map((name) => world.engine.tags.get(`tickets:${name}`));
  const digest = (version: number) => findVersion(world.ledger, `tickets:${version}`).digest;

  test('goes further back each time, and the label previous names where the next one goes', async () => {
    for (const version of [1, 2, 3]) await world.promote(version);
    expect([labels(), tags()]).toEqual([
      [3, 2],
      [digest(3), digest(2)],
    ]);
    expect(await world.rollback()).toMatchObject({ fromVersion: 3, toVersion: 2 });
    expect([labels(), tags()]).toEqual([
      [2, 1],
      [digest(2), digest(1)],
    ]);
    expect(await world.rollback()).toMatchObject({ fromVersion: 2, toVersion: 1 });
    expect([labels(), tags()]).toEqual([
      [1, undefined],
      [digest(1), undefined],
    ]);
  });

  test('that has nothing left to go back to names what it was rolled back from, and how to go there all the same', async () => {
    await world.promote(1);
    await world.promote(2);
    await world.rollback();
    expect(() => rollbackCandidate(world.ledger, 'tickets', undefined)).toThrowError(
      expect.objectContaining({
        code: 'NOT_FOUND',
        message: expect.stringContaining('version 1 is live; it was rolled back from 2'),
        hint: expect.stringContaining('mlx rollback tickets --to 2'),
      }),
    );
    expect(rollbackCandidate(world.ledger, 'tickets', 2).version.version).toBe(2);
  });

  test('does not go to a version that a watch took back', async () => {
    world.edges.keepWarmMs = 3_600_000;
    await world.promote(1);
    await world.promote(2);
    const promoted = await world.promote(3);
    const watch = watchOf(world.edges, promoted);
    if (!watch) throw new Error('nothing to watch');
    await world.engine.stopServer(promoted.serverId ?? '');
    const report = await watchRelease(world.edges, watch, { watchMs: 60_000, actor: 'ada' });
    expect(report).toMatchObject({ outcome: 'worse', rollback: { outcome: 'rolled_back', toVersion: 2 } });
    expect(labels()).toEqual([2, 1]);
    expect(await world.rollback()).toMatchObject({ fromVersion: 2, toVersion: 1 });
  });

  test.each<[string, (canary: World) => Partial<PromotionEdges>]>([
    ['by hand', () => ({})],
    ['as it did worse', ({ engine, ledger }) => ({ onLook: () => void engine.stopServer(canaryServer(ledger)) })],
    ['by Ctrl-C', ({ stop }) => ({ onLook: () => stop.abort() })],
  ])('after a canary was taken back %s stays with what stood in production', async (_how, changes) => {
    for (const version of [1, 2]) await world.promote(version);
    const version = findVersion(world.ledger, 'tickets:3');
    const plan = { kind: 'canary' as const, sticky: 'request' as const, shares: [50], everyMs: 10_000 };
    const asked = { ...plan, version, actor: 'ada', reason: null };
    const { outcome, releaseId } = await runCanary({ ...world.edges, ...changes(world) }, asked);
    expect([labels(), releaseId]).toEqual([[2, 1], expect.any(Number)]);
    expect(await endCanary(world.edges, 'tickets')).toBe(outcome === 'standing');
    expect([labels(), tags()]).toEqual([
      [2, 1],
      [digest(2), digest(1)],
    ]);
    const edges = { ...world.edges, signal: new AbortController().signal };
    expect(await world.rollback(edges)).toMatchObject({ fromVersion: 2, toVersion: 1, outcome: 'rolled_back' });
    expect(labels()).toEqual([1, undefined]);
    expect(() => rollbackCandidate(world.ledger, 'tickets', undefined)).toThrowError(
      expect.objectContaining({ message: expect.stringContaining('version 1 is live; it was rolled back from 2') }),
    );
  });

  test('does not count what failed, was rehearsed on another route, or was only restarted', async () => {
    await world.promote(1);
    await world.promote(2);
    world.engine.behaviour = 'exits';
    expect(await world.promote(3)).toMatchObject({ outcome: 'failed' });
    world.engine.behaviour = 'good';
    await world.promote(3, 'staging');
    await world.engine.stopServer([...world.engine.servers.values()][0]?.state.id ?? '');
    await world.promote(2);
    expect(rollbackCandidate(world.ledger, 'tickets', undefined).version.version).toBe(1);
  });

  test('of an alias that was moved by hand goes to what stood before what it names now', async () => {
    for (const version of [1, 2, 3]) await world.promote(version);
    setAlias(world.ledger, { model: 'tickets', alias: production, version: 2, updatedAtMs: 1 });
    expect(rollbackCandidate(world.ledger, 'tickets', undefined).version.version).toBe(1);
  });

  test('passes over a version that is not there any more', async () => {
    for (const version of [1, 2, 3]) await world.promote(version);
    deleteAlias(world.ledger, 'tickets', 'previous', 1);
    world.ledger.database.prepare("DELETE FROM model_versions WHERE model = 'tickets' AND version = 2").run();
    expect(rollbackCandidate(world.ledger, 'tickets', undefined).version.version).toBe(1);
    const { version } = rollbackCandidate(world.ledger, 'tickets', undefined);
    const target = aliasTarget('tickets', production);
    await promote(world.edges, { version, target, kind: 'rollback', actor: 'ada', reason: null });
    expect(labels()).toEqual([1, undefined]);
  });

  test('of a model that was only ever served by its route has nothing to go to', async () => {
    const route = { name: 'tickets', model: 'tickets', version: 1, digest: digest(1), serverId: 's', updatedAtMs: 1 };
    setRoute(world.ledger, { ...route, engine: 'host', address: 'unix:/nowhere' });
    expect(() => rollbackCandidate(world.ledger, 'tickets', undefined)).toThrowError(
      expect.objectContaining({ code: 'NOT_FOUND', message: expect.stringContaining('version 1 is live') }),
    );
  });
});
