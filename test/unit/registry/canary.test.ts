import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { MlxError } from '../../../src/errors.js';
import { findRoute, openPromotions } from '../../../src/ledger/promotions.js';
import { listSteps } from '../../../src/ledger/promotion-steps.js';
import { findSplit, listSplits } from '../../../src/ledger/route-splits.js';
import { openTraffic, openTrafficForReading, type TrafficRow } from '../../../src/ledger/traffic.js';
import { versionFigures } from '../../../src/ledger/traffic-figures.js';
import { findVersion } from '../../../src/ledger/versions.js';
import { runCanary } from '../../../src/registry/canary.js';
import { endCanary } from '../../../src/registry/canary-end.js';
import { readCanary } from '../../../src/registry/canary-flags.js';
import { canaryReport, canaryStatus, renderCanary, splitNotes } from '../../../src/registry/canary-report.js';
import type { PromotionEdges } from '../../../src/registry/edges.js';
import { recoverPromotions } from '../../../src/registry/recover.js';
import { duePromotions } from '../../../src/registry/settle.js';
import { trafficRow } from '../ledger/traffic-example.js';
import { failingDrain, killAt } from './killed.js';
import { makeWorld, type World } from './world.js';

let world: World;

beforeEach(async () => {
  world = await makeWorld();
  await world.promote(1);
});

afterEach(() => world.close());

function record(version: number, count: number, changes: Partial<TrafficRow> = {}): void {
  const traffic = openTraffic(world.paths.trafficFile);
  const startedAtMs = Date.now() + 60_000;
  const row = (index: number) => ({ requestId: `${index}`, startedAtMs, version: `tickets:${version}`, ...changes });
  traffic.insert(Array.from({ length: count }, (_, index) => trafficRow(row(index))));
  traffic.close();
}

const run = async (flags: Parameters<typeof readCanary>[0], changes: Partial<PromotionEdges> = {}) => {
  const plan = readCanary({ ...('shadow' in flags ? {} : { sticky: 'request' as const }), ...flags });
  if (!plan) throw new Error('no canary');
  const version = findVersion(world.ledger, 'tickets:2');
  return canaryReport(
    await runCanary({ ...world.edges, ...changes }, { ...plan, version, actor: 'ada', reason: null }),
  );
};

const versions = () => [...world.engine.servers.values()].map(({ state }) => state.version).sort();

/** Nothing of the candidate is left, and the version before answers. */
async function expectTakenBack(): Promise<void> {
  expect(versions()).toEqual([1]);
  expect(listSplits(world.ledger)).toEqual([]);
  expect(findRoute(world.ledger, 'tickets@canary')).toBeUndefined();
  expect(await world.ask('tickets@canary')).toMatchObject({ status: 404 });
  expect(await world.ask()).toEqual({ status: 200, version: 'tickets:1' });
}

async function shareOfVersion2(asked: number): Promise<number> {
  let second = 0;
  for (let request = 0; request < asked; request += 1) if ((await world.ask()).version === 'tickets:2') second += 1;
  return second / asked;
}

describe('a canary', () => {
  test('rises share by share while it does well, and never to all by itself', async () => {
    record(1, 300);
    record(2, 60);
    const shares: (number | undefined)[] = [];
    const onLook = () => void shares.push(findSplit(world.ledger, 'tickets')?.percent);
    const result = await run({ canary: '5%', step: '25%' }, { onLook });
    expect(result).toMatchObject({ outcome: 'standing', percent: 80, fromVersion: 1, toVersion: 2, error: null });
    expect([...new Set(shares.filter((share) => share !== 0))]).toEqual([5, 30, 55, 80]);
    expect(findRoute(world.ledger, 'tickets')?.version).toBe(1);
    expect(splitNotes(world.ledger)).toMatchObject([{ percent: 80, stepping: false }]);
    expect(duePromotions(world.ledger, Date.now()).canaries).toEqual([]);
    const share = await shareOfVersion2(60);
    expect(share).toBeGreaterThan(0.5);
    expect(share).toBeLessThan(1);
    const steps = listSteps(world.ledger, result.releaseId ?? 0).filter(({ step }) => step === 'share');
    expect(steps.map(({ state }) => state)).toEqual(['done', 'done', 'done', 'done']);
    expect(renderCanary(result)).toContain('mlx promote tickets:2, or take it back: mlx rollback tickets');
  });

  test('is finished by a promotion, on the server that it has', async () => {
    record(1, 60);
    record(2, 60);
    await run({ canary: '5%' });
    const started = world.engine.started.length;
    expect(await world.promote(2)).toMatchObject({ outcome: 'promoted', fromVersion: 1 });
    expect(duePromotions(world.ledger, Date.now()).canaries).toEqual(['tickets']);
    await endCanary(world.edges, 'tickets');
    expect(world.engine.started).toHaveLength(started);
    expect(versions()).toEqual([2]);
    expect(await world.ask()).toEqual({ status: 200, version: 'tickets:2' });
  });

  test('that does worse is taken back, with what was seen', async () => {
    record(1, 300);
    record(2, 40, { status: 500, finishReason: null });
    const result = await run({ canary: '20%', step: '40%' });
    expect(result).toMatchObject({ outcome: 'taken_back', percent: 0, error: { code: 'WATCH_WORSE' } });
    expect(result.error?.message).toContain('100 % (40 of 40) of requests failed');
    expect([result.steps.length, canaryStatus(result)]).toEqual([1, 4]);
    await expectTakenBack();
  });

  test('that fails is covered for by the version that is live, and counted all the same', async () => {
    record(1, 60);
    let asked: Promise<unknown> | undefined;
    const onLook = () => {
      asked ??= failingCandidate();
    };
    const failingCandidate = async () => {
      const id = findRoute(world.ledger, 'tickets@canary')?.serverId ?? '';
      const http = world.engine.servers.get(id)?.runsIn.http;
      http?.removeAllListeners('request');
      http?.on('request', (_incoming, outgoing) => void outgoing.writeHead(500).end('{}'));
      expect(await world.ask()).toEqual({ status: 200, version: 'tickets:1' });
    };
    const paused = world.edges.pause;
    const pause: PromotionEdges['pause'] = async (durationMs, signal) => {
      await asked;
      await paused(durationMs, signal);
    };
    await run({ canary: '99%' }, { onLook, pause });
    await expectTakenBack();
    const traffic = openTrafficForReading(world.paths.trafficFile);
    const since = { sinceMs: 0, untilMs: Infinity };
    await expect
      .poll(() => versionFigures(traffic, { version: 'tickets:2', ...since }))
      .toMatchObject({ requests: 1, failures: 1 });
    traffic?.close();
  });

  test('without enough requests keeps its share, which does not rise', async () => {
    const result = await run({ canary: '5%', step: '25%' });
    expect(result).toMatchObject({ outcome: 'standing', percent: 5, error: { code: 'WATCH_INCONCLUSIVE' } });
    expect([result.steps.length, canaryStatus(result)]).toEqual([1, 5]);
    expect(findSplit(world.ledger, 'tickets')).toMatchObject({ percent: 5, owner: null });
  });

  test('is taken back on Ctrl-C', async () => {
    const result = await run({ canary: '5%' }, { onLook: () => world.stop.abort() });
    expect(result).toMatchObject({ outcome: 'taken_back', error: { code: 'INTERRUPTED' } });
    expect(canaryStatus(result)).toBe(130);
    await expectTakenBack();
  });

  test('whose switch could not be ended stands, and keeps no other command from its model', async () => {
    record(1, 60);
    record(2, 60);
    const result = await run({ canary: '5%' }, failingDrain(world));
    expect(result).toMatchObject({ outcome: 'standing', percent: 5, error: null });
    expect(openPromotions(world.ledger)).toMatchObject([{ id: result.releaseId, owner: null }]);
    await recoverPromotions(world.edges);
    expect(openPromotions(world.ledger)).toEqual([]);
    expect(await world.promote(2)).toMatchObject({ outcome: 'promoted' });
  });

  test('that stands already is left as it stood when the same command runs again and fails', async () => {
    record(1, 60);
    record(2, 60);
    await run({ canary: '30%' });
    let asked = 0;
    const gateway = () =>
      asked++ === 0 ? Promise.reject(new MlxError('PORT_TAKEN', 'no port')) : world.edges.gateway();
    await expect(run({ canary: '5%' }, { gateway })).rejects.toMatchObject({ code: 'PORT_TAKEN' });
    expect(findSplit(world.ledger, 'tickets')).toMatchObject({ percent: 30, owner: null });
    await world.engine.stopServer(findRoute(world.ledger, 'tickets@canary')?.serverId ?? '');
    world.engine.behaviour = 'exits';
    const failed = await run({ canary: '5%' });
    expect(failed).toMatchObject({ outcome: 'failed', percent: 30, error: { code: 'SERVER_NOT_READY' } });
    expect(renderCanary(failed)).toContain('30 % of the requests go to tickets:2 as before');
    expect(findSplit(world.ledger, 'tickets')).toMatchObject({ percent: 30, owner: null });
  });

  test('whose candidate does not come up changes nothing', async () => {
    world.engine.behaviour = 'exits';
    const result = await run({ canary: '5%' });
    expect(result).toMatchObject({ outcome: 'failed', error: { code: 'SERVER_NOT_READY' } });
    await expectTakenBack();
  });

  test('that somebody takes back meanwhile is left alone', async () => {
    let ended: Promise<unknown> | undefined;
    const onLook = () => {
      ended ??= endCanary(world.edges, 'tickets');
    };
    record(1, 60);
    record(2, 60);
    const pause: PromotionEdges['pause'] = async (durationMs, signal) => {
      await ended;
      await world.edges.pause(durationMs, signal);
    };
    const result = await run({ canary: '5%', step: '25%' }, { onLook, pause });
    expect(result).toMatchObject({ outcome: 'replaced', error: { code: 'RELEASE_REPLACED' } });
    await expectTakenBack();
  });

  test.each(['start: performed', 'ready: performed', 'flip: performed', 'drain: performed'] as const)(
    'whose command is killed at "%s" is taken back by the next one',
    async (point) => {
      expect(await killAt(world, point, (edges) => run({ canary: '5%' }, { failPoint: edges.failPoint }))).toBe(true);
      await afterDeath();
    },
  );

  test('whose command is killed while a share is watched goes on with that share until the next command', async () => {
    const dead = new Promise<void>((resolve) => {
      const pause: PromotionEdges['pause'] = (_durationMs, signal) => {
        if ((findSplit(world.ledger, 'tickets')?.percent ?? 0) === 0) return world.edges.pause(1, signal);
        resolve();
        return new Promise<void>(() => undefined);
      };
      void run({ canary: '50%' }, { pause });
    });
    await dead;
    expect((await world.ask()).status).toBe(200);
    expect(splitNotes(world.ledger)).toMatchObject([{ percent: 50, stepping: true }]);
    await afterDeath();
  });

  async function afterDeath(): Promise<void> {
    world.ledger.database.exec("UPDATE route_splits SET owner = '1:1:dead'");
    await recoverPromotions(world.edges);
    expect(duePromotions(world.ledger, Date.now()).canaries).toEqual(['tickets']);
    await endCanary(world.edges, 'tickets');
    expect(duePromotions(world.ledger, Date.now()).canaries).toEqual([]);
    await expectTakenBack();
  }

  test('needs another version that is live, and leaves one that has a share alone', async () => {
    const version = findVersion(world.ledger, 'tickets:1');
    const plan = {
      kind: 'canary' as const,
      sticky: 'key' as const,
      shares: [5],
      everyMs: 1,
      actor: 'ada',
      reason: null,
    };
    await expect(runCanary(world.edges, { ...plan, version })).rejects.toMatchObject({ code: 'NOTHING_LIVE' });
    await run({ canary: '5%' });
    world.ledger.database.exec(`UPDATE routes SET digest = 'sha256:3' WHERE name = 'tickets@canary'`);
    await expect(run({ canary: '5%' })).rejects.toMatchObject({ code: 'BUSY' });
  });
});

test('a shadow gets copies: clients see the version that is live alone', async () => {
  let asked: Promise<number> | undefined;
  const onLook = () => {
    asked ??= shareOfVersion2(5);
  };
  const pause: PromotionEdges['pause'] = async (durationMs, signal) => {
    await asked;
    await world.edges.pause(durationMs, signal);
  };
  const result = await run({ shadow: true }, { onLook, pause });
  expect(result).toMatchObject({ kind: 'shadow', outcome: 'standing', percent: 100 });
  expect(await asked).toBe(0);
  const traffic = openTrafficForReading(world.paths.trafficFile);
  const copies = { version: 'tickets:2', sinceMs: 0, untilMs: Infinity, shadow: true };
  await expect.poll(() => versionFigures(traffic, copies).requests).toBeGreaterThan(0);
  traffic?.close();
});
