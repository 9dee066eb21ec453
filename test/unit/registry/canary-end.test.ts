// How a canary ends: its open answers, and its server where the engine does not answer.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { MlxError } from '../../../src/errors.js';
import { findRoute, listPromotions, setRoute } from '../../../src/ledger/promotions.js';
import { listSteps } from '../../../src/ledger/promotion-steps.js';
import { findSplit, listSplits } from '../../../src/ledger/route-splits.js';
import { findVersion } from '../../../src/ledger/versions.js';
import { runCanary } from '../../../src/registry/canary.js';
import { endCanary, endLostCanaries, lostReason, type CanaryEnd } from '../../../src/registry/canary-end.js';
import type { PromotionEdges } from '../../../src/registry/edges.js';
import { stopExpiredServers } from '../../../src/registry/retire.js';
import { duePromotions } from '../../../src/registry/settle.js';
import { standingRelease, type StandingRelease } from '../../../src/registry/standing.js';
import { makeWorld, type World } from './world.js';

let world: World;

beforeEach(async () => {
  world = await makeWorld();
  await world.promote(1);
});

afterEach(() => world.close());

/** Without traffic nobody can tell: it stands. */
const run = (changes: Partial<PromotionEdges> = {}) => {
  const plan = { kind: 'canary' as const, sticky: 'request' as const, shares: [99], everyMs: 10_000 };
  const version = findVersion(world.ledger, 'tickets:2');
  return runCanary({ ...world.edges, ...changes }, { ...plan, version, actor: 'ada', reason: null });
};

function expectTakenBack(): void {
  expect([...world.engine.servers.values()].map(({ state }) => state.version)).toEqual([1]);
  expect([listSplits(world.ledger), findRoute(world.ledger, 'tickets@canary')]).toEqual([[], undefined]);
}

describe('a canary', () => {
  test('taken back on Ctrl-C lets open answers end, and rests between its looks at them', async () => {
    let stream: Awaited<ReturnType<World['openStream']>> | undefined;
    const drained: boolean[] = [];
    const pause: PromotionEdges['pause'] = async (durationMs, signal) => {
      await world.edges.pause(durationMs, signal);
      if (!stream && findSplit(world.ledger, 'tickets')?.percent === 99) {
        while (stream?.headers['x-mlx-version'] !== 'tickets:2') stream = await world.openStream();
        world.stop.abort();
      } else if (world.stop.signal.aborted && drained.push(signal.aborted) === 3) {
        for (const open of world.engine.openStreams) open.end('data: [DONE]\n\n');
      }
    };
    const result = await run({ pause });
    expect(result).toMatchObject({ outcome: 'taken_back', steps: [{ outcome: 'stopped' }] });
    expect([drained.length >= 3, new Set(drained)]).toEqual([true, new Set([false])]);
    expect(await stream?.body.text()).toContain('[DONE]');
    expectTakenBack();
  });

  test('whose engine does not answer is taken from its requests; its server is stopped when the engine is back', async () => {
    await run();
    const away = { ...world.engine, listServers: () => Promise.reject(new MlxError('DOCKER_UNREACHABLE', 'away')) };
    const edges = { ...world.edges, engine: async () => away };
    await expect(endCanary(edges, 'tickets')).rejects.toMatchObject({ code: 'DOCKER_UNREACHABLE' });
    expect([listSplits(world.ledger), findRoute(world.ledger, 'tickets@canary')]).toEqual([[], undefined]);
    expect(duePromotions(world.ledger, Date.now())).toMatchObject({ warm: [{ version: 2 }], canaries: [] });
    expect(await stopExpiredServers(world.edges)).toMatchObject([{ version: 2 }]);
    expectTakenBack();
  });

  const ended = (canary: World, reason: string, outcome: CanaryEnd['outcome'] = 'taken_back') =>
    endCanary(canary.edges, 'tickets', { outcome, code: null, actor: 'eve', reason });

  test.each<[string, Partial<StandingRelease['back']>, (world: World) => Promise<unknown>]>([
    [
      'by Ctrl-C',
      { code: 'INTERRUPTED', actor: 'ada', why: 'its command was stopped' },
      (canary) => run({ onLook: () => canary.stop.abort() }),
    ],
    [
      'as it does worse',
      { code: 'WATCH_WORSE', actor: 'ada', why: expect.stringMatching(/^it did worse than version 1: its server .+/) },
      (canary) => run({ onLook: () => stopCandidate(canary) }),
    ],
    [
      'by a person',
      { code: null, actor: 'eve', why: 'answers in French' },
      async (canary) => {
        await run();
        await ended(canary, 'answers in French');
      },
    ],
    [
      'as its server is lost',
      { code: null, actor: 'eve', why: expect.stringMatching(/^its server .+ did not answer any more$/) },
      async (canary) => {
        await run();
        stopCandidate(canary);
        await endLostCanaries(canary.edges, 'eve');
      },
    ],
  ])('taken back %s says in its release when, by whom and why', async (_how, back, takeBack) => {
    await takeBack(world);
    expectTakenBack();
    const release = standing();
    expect(release).toMatchObject({ standing: 'taken_back', back: { ...back, release: null } });
    expect(release.back?.atMs).toBeGreaterThan(0);
    expect(listSteps(world.ledger, release.id).at(-1)).toMatchObject({ step: 'end', state: 'done' });
  });

  test('whose container Docker starts again and again is left alone after a crash, and taken back after some', async () => {
    // Its server is an old one.
    const engine = async () => {
      const listServers = async () => (await world.engine.listServers()).map((server) => ({ ...server, restarts: 5 }));
      return { ...world.engine, listServers };
    };
    await run({ engine });
    const server = world.engine.servers.get(findRoute(world.ledger, 'tickets@canary')?.serverId ?? '');
    if (!server) throw new Error('no server');
    server.runsIn.http.close().closeAllConnections();
    const seen = async (restarts: number) => {
      // Docker's time of the start is that of the life that ended.
      const between = { state: 'exited', exitStatus: 137, restarting: true, startedAtMs: 1 } as const;
      server.state = { ...server.state, ...between, restarts };
      return endLostCanaries(world.edges, 'eve');
    };
    expect(await seen(5)).toEqual({ done: [], whole: true });
    expect(await seen(7)).toEqual({ done: [], whole: true });
    expect(await seen(8)).toEqual({ done: ['tickets'], whole: true });
    expectTakenBack();
    const why = expect.stringContaining('crashed again and again (Docker started it 3 times)');
    expect(standing()).toMatchObject({ standing: 'taken_back', back: { why, actor: 'eve' } });
  });

  test('that was interrupted in the middle of its end keeps the reason that it had', async () => {
    await run();
    const gateway = () => Promise.reject(new MlxError('GATEWAY_DOWN', 'gone'));
    const edges = { ...world.edges, gateway };
    await expect(ended({ ...world, edges }, 'answers in French')).rejects.toMatchObject({ code: 'GATEWAY_DOWN' });
    await ended(world, 'its command was gone');
    expectTakenBack();
    expect(standing().back).toMatchObject({ why: 'answers in French' });
    expect(listSteps(world.ledger, standing().id).filter(({ step }) => step === 'end')).toHaveLength(1);
  });

  test('that a person has begun anew while the lost one was looked for is left alone', async () => {
    await run();
    stopCandidate(world);
    const listServers = async () => {
      const route = findRoute(world.ledger, 'tickets@canary');
      if (route) setRoute(world.ledger, { ...route, serverId: 'another' });
      return world.engine.listServers();
    };
    const edges = { ...world.edges, engine: async () => ({ ...world.engine, listServers }) };
    expect(await endLostCanaries(edges, 'eve')).toEqual({ done: [], whole: true });
    expect([findSplit(world.ledger, 'tickets')?.percent, standing().back]).toEqual([99, null]);
  });

  test('whose engine does not answer is told to be left, by its model', async () => {
    await run();
    const edges = { ...world.edges, engine: () => Promise.reject(new MlxError('DOCKER_UNREACHABLE', 'silent')) };
    expect(await endLostCanaries(edges, 'eve')).toEqual({ done: [], whole: false });
    expect(world.notes.at(-1)).toBe('The canary of tickets could not be seen to. silent');
  });

  test('that got all requests was not taken back', async () => {
    await run();
    await world.promote(2);
    await ended(world, 'version 2 was promoted', 'promoted');
    expect(standing()).toMatchObject({ standing: 'over', back: null });
  });

  test('once taken back is so also while the next one of its model begins, runs and ends', async () => {
    await run();
    const first = standing().id;
    await ended(world, 'answers in French');
    const back = { standing: 'taken_back', back: { why: 'answers in French' } };
    const seen: unknown[] = [];
    await run({
      onLook: () => void seen.push(standing(first)),
      failPoint: async () => void seen.push(standing(first)),
    });
    expect([seen.length > 0, standing().standing]).toEqual([true, 'live']);
    await ended(world, 'answers in Dutch');
    for (const shown of [...seen, standing(first)]) expect(shown).toMatchObject(back);
    expect(standing()).toMatchObject({ standing: 'taken_back', back: { why: 'answers in Dutch' } });
  });

  const standing = (id?: number) => {
    const trials = listPromotions(world.ledger, { model: 'tickets', limit: 9 }).filter(
      (trial) => trial.alias === 'canary' && (id === undefined || trial.id === id),
    );
    const [release] = trials.map((trial) => standingRelease(world.ledger, trial));
    if (!release) throw new Error('no canary');
    return release;
  };

  const stopCandidate = ({ engine, ledger }: World) =>
    void engine.stopServer(findRoute(ledger, 'tickets@canary')?.serverId ?? '');
});

describe('the server of a canary that does not answer', () => {
  const readyTimeoutMs = 5_000;
  const now = 1_000_000;
  const [ofLate, longAgo] = [now - readyTimeoutMs, now - readyTimeoutMs - 1];
  const silent = 'its server a did not answer any more';
  const slow = 'its server a did not answer within 5.0 s of its start';
  const starting = { id: 'a', state: 'starting', exitStatus: null, startedAtMs: ofLate } as const;
  const restarted = { ...starting, state: 'exited', restarting: true, restarts: 1 } as const;
  const between = { ...restarted, exitStatus: 1 } as const;

  test.each<[string, Parameters<typeof lostReason>[0], string | undefined, number?]>([
    ['has ended for good', { ...starting, state: 'exited', exitStatus: 1 }, silent],
    ['runs, and is silent', { ...starting, state: 'running' }, silent],
    ['starts', starting, undefined],
    ['starts for too long', { ...starting, startedAtMs: longAgo }, slow],
    ['starts again', restarted, undefined],
    ['starts again for too long', { ...restarted, startedAtMs: longAgo }, slow],
    ['crashed for the first time, after a long life', { ...between, restarts: 0, startedAtMs: longAgo }, undefined],
    ['crashed for the second time', { ...between, startedAtMs: longAgo }, undefined],
    [
      'crashed too often',
      { ...between, restarts: 3 },
      'its server a crashed again and again (Docker started it 3 times)',
    ],
    ['crashed often before its trial', { ...between, restarts: 7 }, undefined, 5],
    [
      'crashed too often since Docker began to count anew',
      { ...between, restarts: 4 },
      'its server a crashed again and again (Docker started it 4 times)',
      5,
    ],
  ])('that %s', (_what, server, reason, before = 0) =>
    expect(lostReason(server, readyTimeoutMs, now, before)).toBe(reason),
  );
});
