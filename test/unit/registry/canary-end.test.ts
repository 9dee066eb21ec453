// How a canary ends: its open answers, and its server where the engine does not answer.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { MlxError } from '../../../src/errors.js';
import { findRoute } from '../../../src/ledger/promotions.js';
import { findSplit, listSplits } from '../../../src/ledger/route-splits.js';
import { findVersion } from '../../../src/ledger/versions.js';
import { runCanary } from '../../../src/registry/canary.js';
import { endCanary } from '../../../src/registry/canary-end.js';
import type { PromotionEdges } from '../../../src/registry/edges.js';
import { stopExpiredServers } from '../../../src/registry/retire.js';
import { duePromotions } from '../../../src/registry/settle.js';
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
});
