import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { findPromotion, findRoute } from '../../../src/ledger/promotions.js';
import { listSteps } from '../../../src/ledger/promotion-steps.js';
import { openTraffic, type TrafficRow } from '../../../src/ledger/traffic.js';
import { findVersion } from '../../../src/ledger/versions.js';
import type { PromotionEdges } from '../../../src/registry/edges.js';
import type { FailPoint } from '../../../src/registry/journal.js';
import { promote } from '../../../src/registry/promote.js';
import { promotionStatus } from '../../../src/registry/report.js';
import { aliasTarget } from '../../../src/registry/targets.js';
import { watchOf, watchRelease, type WatchReport } from '../../../src/registry/watch.js';
import { describeWatch, renderWatched, watchedPromotion, watchNotes } from '../../../src/registry/watch-report.js';
import { trafficRow } from '../ledger/traffic-example.js';
import { failingDrain } from './killed.js';
import { makeWorld, type World } from './world.js';

let world: World;

beforeEach(async () => {
  world = await makeWorld();
  world.edges.keepWarmMs = 3_600_000;
  await world.promote(1);
});

afterEach(() => world.close());

const watchMs = 600_000;
const minuteMs = 60_000;

function record(version: number, count: number, changes: Partial<TrafficRow> = {}, agoMs = -minuteMs): void {
  const traffic = openTraffic(world.paths.trafficFile);
  const startedAtMs = Date.now() - agoMs;
  const row = (index: number) => ({ requestId: `${index}`, startedAtMs, version: `tickets:${version}`, ...changes });
  traffic.insert(Array.from({ length: count }, (_, index) => trafficRow(row(index))));
  traffic.close();
}

/** Time passes by pausing alone; `whileWatching` is called at each look. */
async function watchVersion2(whileWatching: () => void = () => undefined) {
  const promoted = await world.promote(2);
  const watch = watchOf(world.edges, promoted);
  if (!watch) throw new Error('nothing to watch');
  const edges = { ...world.edges, onLook: whileWatching };
  const report: WatchReport = await watchRelease(edges, watch, { watchMs, actor: 'ada' });
  return { watched: watchedPromotion(promoted, report), releaseId: watch.releaseId };
}

const liveNow = () => findRoute(world.ledger, 'tickets')?.version;
const servers = () => [...world.engine.servers.values()].map(({ state }) => state.version).sort();

describe('a version that is watched after its switch', () => {
  test('stays when it does as well as the one before', async () => {
    record(1, 200, {}, minuteMs);
    record(2, 60);
    const { watched, releaseId } = await watchVersion2();
    expect(watched).toMatchObject({ outcome: 'promoted', error: null, watch: { outcome: 'pass', rollback: null } });
    expect(watched.watch?.durationMs).toBeGreaterThanOrEqual(watchMs);
    expect(promotionStatus(watched)).toBe(0);
    expect(liveNow()).toBe(2);
    const step = listSteps(world.ledger, releaseId).find((one) => one.step === 'watch');
    expect(step).toMatchObject({ state: 'done', result: expect.stringContaining('"outcome":"pass"') });
    expect(renderWatched(watched)).toContain('Nothing worse was seen');
  });

  test('that fails requests is taken back on the warm server, with the reason in a release of its own', async () => {
    record(1, 200, {}, minuteMs);
    record(2, 20, { status: 502, finishReason: null });
    const started = world.engine.started.length;
    const { watched, releaseId } = await watchVersion2();
    expect(watched).toMatchObject({ outcome: 'taken_back', error: { code: 'WATCH_WORSE' } });
    expect(promotionStatus(watched)).toBe(4);
    expect(watched.watch?.durationMs).toBeLessThan(watchMs / 2);
    expect(await world.ask()).toEqual({ status: 200, version: 'tickets:1' });
    expect(world.engine.started.length - started).toBe(1);
    const release = findPromotion(world.ledger, watched.watch?.rollback?.id ?? 0);
    expect(release).toMatchObject({ kind: 'rollback', fromVersion: 2, toVersion: 1, actor: 'ada' });
    const step = listSteps(world.ledger, releaseId).findLast((one) => one.step === 'watch');
    expect(step && describeWatch(step)).toContain('it did worse, and was taken back.');
    expect(release?.reason).toContain('did worse than version 1: 100 % (20 of 20) of requests failed');
    expect(renderWatched(watched)).toContain('tickets:2 did worse than version 1, which is live again');
  });

  test('that is slow is taken back', async () => {
    record(1, 200, {}, minuteMs);
    record(2, 60, { durationMs: 400, firstTokenMs: 300 });
    const { watched } = await watchVersion2();
    expect(watched.outcome).toBe('taken_back');
    expect(watched.error?.message).toContain('95 % of whole answers came within 400 ms (before: 20 ms)');
  });

  test('whose server dies is taken back, without a request', async () => {
    const { watched } = await watchVersion2(() => {
      const id = findRoute(world.ledger, 'tickets')?.serverId ?? '';
      const server = world.engine.servers.get(id);
      server?.runsIn.http.closeAllConnections();
      server?.runsIn.http.close();
    });
    expect(watched).toMatchObject({ outcome: 'taken_back', error: { code: 'WATCH_WORSE' } });
    expect(watched.error?.message).toContain('does not answer any more');
    expect(await world.ask()).toEqual({ status: 200, version: 'tickets:1' });
  });

  test('whose process ends is taken back within a second, on the server that is kept warm', async () => {
    const started = world.engine.started.length;
    let looks = 0;
    const { watched } = await watchVersion2(() => {
      looks += 1;
      const server = world.engine.servers.get(findRoute(world.ledger, 'tickets')?.serverId ?? '');
      if (!server) throw new Error('no server');
      server.state = { ...server.state, state: 'exited' };
      server.runsIn.http.close().closeAllConnections();
    });
    expect(watched).toMatchObject({ outcome: 'taken_back', error: { code: 'WATCH_WORSE' } });
    // By the clock of the test: the first look is after 15 s, and the death was seen at the next heartbeat.
    expect([looks, watched.watch?.durationMs]).toEqual([1, 15_500]);
    expect(world.engine.started.length - started).toBe(1);
    expect(await world.ask()).toEqual({ status: 200, version: 'tickets:1' });
  });

  test('without enough requests stays, and the command says that it cannot tell', async () => {
    record(2, 29);
    const { watched } = await watchVersion2();
    expect(watched).toMatchObject({ outcome: 'promoted', error: { code: 'WATCH_INCONCLUSIVE' } });
    expect(watched.error?.message).toContain('it takes 30 answers of each version');
    expect(promotionStatus(watched)).toBe(5);
    expect(liveNow()).toBe(2);
  });

  test('stays when the person presses Ctrl-C, and the old server stays warm', async () => {
    const { watched, releaseId } = await watchVersion2(() => world.stop.abort());
    expect(watched).toMatchObject({ outcome: 'promoted', error: { code: 'INTERRUPTED' } });
    expect(promotionStatus(watched)).toBe(130);
    expect(liveNow()).toBe(2);
    expect(servers()).toEqual([1, 2]);
    const step = listSteps(world.ledger, releaseId).findLast((one) => one.step === 'watch');
    expect(step && describeWatch(step)).toContain('the person stopped it');
    expect(watchNotes(world.ledger)).toEqual([]);
  });

  test('is no longer watched once another command switches the route', async () => {
    let switched: Promise<unknown> | undefined;
    const { watched } = await watchVersion2(() => {
      switched ??= world.promote(1);
    });
    await switched;
    expect(watched.error?.code).toBe('RELEASE_REPLACED');
    expect(liveNow()).toBe(1);
  });
});

/** Another command is at a hold: it has stopped the server that is watched, and not switched the route yet. */
async function holdElsewhere(point: FailPoint) {
  let goOn: () => void = () => undefined;
  const until = new Promise<void>((resolve) => (goOn = resolve));
  let ended: Promise<unknown> | undefined;
  const reached = new Promise<void>((resolve) => {
    const failPoint = (at: FailPoint) => (at === point ? (resolve(), until) : Promise.resolve());
    const version = findVersion(world.ledger, 'tickets:1');
    const asked = { version, target: aliasTarget('tickets', 'production'), kind: 'promote' as const, reason: null };
    ended = promote({ ...world.edges, failPoint }, { ...asked, actor: 'bob', strategy: 'hold' });
  });
  await reached;
  return async () => {
    goOn();
    await ended;
  };
}

describe('beside another command', () => {
  beforeEach(() => {
    world.edges.keepWarmMs = 0;
  });

  test('a server that the other one stopped for its hold is no failure of the version', async () => {
    const promoted = await world.promote(2);
    const watch = watchOf(world.edges, promoted);
    if (!watch) throw new Error('nothing to watch');
    const finishOther = await holdElsewhere('stop: performed');
    let pauses = 0;
    const pause: PromotionEdges['pause'] = async (durationMs, signal) => {
      pauses += 1;
      if (pauses === 8) await finishOther();
      return world.edges.pause(durationMs, signal);
    };
    const report = await watchRelease({ ...world.edges, pause }, watch, { watchMs, actor: 'ada' });
    expect(report).toMatchObject({ outcome: 'replaced', rollback: null });
    expect(liveNow()).toBe(1);
  });

  test('one that does worse and cannot be taken back says so, in the journal too', async () => {
    const promoted = await world.promote(2);
    const watch = watchOf(world.edges, promoted);
    if (!watch) throw new Error('nothing to watch');
    record(1, 200, {}, minuteMs);
    record(2, 20, { status: 502, finishReason: null });
    const finishOther = await holdElsewhere('hold: begun');
    const report = await watchRelease(world.edges, watch, { watchMs, actor: 'ada' });
    expect(report).toMatchObject({ outcome: 'worse', rollback: { outcome: 'failed', error: { code: 'BUSY' } } });
    const watched = watchedPromotion(promoted, report);
    expect(watched).toMatchObject({ outcome: 'promoted', error: { code: 'BUSY' } });
    const step = listSteps(world.ledger, watch.releaseId).findLast((one) => one.step === 'watch');
    expect(step && describeWatch(step)).toContain('it did worse, and could not be taken back (tickets is being');
    await finishOther();
  });
});

test('a release whose old server could not be stopped yet is watched too', async () => {
  const promoted = await world.promote(2, 'production', { ...world.edges, ...failingDrain(world) });
  expect(promoted).toMatchObject({ outcome: 'promoted', error: null });
  expect(watchOf(world.edges, promoted)).toMatchObject({ releaseId: promoted.id, version: 2, against: 1 });
});

test('while it is watched status says so; of a command that died too, and the version stays live', async () => {
  const promoted = await world.promote(2);
  const watch = watchOf(world.edges, promoted);
  if (!watch) throw new Error('nothing to watch');
  let looked = false;
  const looking = new Promise<void>((resolve) => {
    const onLook = (): void => {
      looked = true;
      resolve();
    };
    // The second look never comes: as in a command that is killed.
    const pause: PromotionEdges['pause'] = (durationMs, signal) =>
      looked ? new Promise<void>(() => undefined) : world.edges.pause(durationMs, signal);
    void watchRelease({ ...world.edges, onLook, pause }, watch, { watchMs, actor: 'ada' });
  });
  await looking;
  expect(watchNotes(world.ledger)).toMatchObject([{ version: 2, watching: true, release: promoted.id }]);
  world.ledger.database.exec(
    "UPDATE promotion_steps SET subject = json_set(subject, '$.owner', '1:1:dead') WHERE step = 'watch'",
  );
  const [note] = watchNotes(world.ledger);
  expect(note).toMatchObject({ watching: false, what: expect.stringContaining('mlx promote tickets:2 --watch 10m') });
  const step = listSteps(world.ledger, promoted.id ?? 0).findLast((one) => one.step === 'watch');
  expect(step && describeWatch(step)).toContain('died, and nobody looked on');
  expect(await world.ask()).toEqual({ status: 200, version: 'tickets:2' });
});

test('a version that is live already is watched again; a first one has nothing to be held against', async () => {
  await world.promote(2);
  const again = await world.promote(2);
  expect(again.outcome).toBe('already_live');
  expect(watchOf(world.edges, again)).toMatchObject({ version: 2, against: 1 });
  const first = await world.promote(1, 'staging');
  expect(watchOf(world.edges, first)).toBeUndefined();
});
