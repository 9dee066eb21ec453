// Who is started again when requests find nobody at a model server, and when: with a real gateway, whose regular look is far away because
// the clock stands still, and with the command that would be typed instead of one that runs.
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import type { Care } from '../../../src/gateway/gone-servers.js';
import { findRoute, setRoute } from '../../../src/ledger/promotions.js';
import { lookEveryMs, restBetweenMs } from '../../../src/registry/looks.js';
import { reviveServers } from '../../../src/registry/revive.js';
import { heldClock, type HeldClock } from '../gateway/core-bench.js';
import { killAt } from './killed.js';
import { makeWorld, type World } from './world.js';

let world: World;
let clock: HeldClock;
let nowMs: number;
let looks: (readonly Care[])[];
let commands: { words: string; end: () => void }[];
let end: () => void;

beforeEach(async () => {
  world = await makeWorld();
  [clock, nowMs, looks, commands] = [heldClock(), 1_000_000, [], []];
  await world.promote(1);
  // Whether it answers is asked of its socket then: no process of it is written down here.
  setRoute(world.ledger, { ...route(), engine: 'docker' });
  await world.edges.gateway().then((gateway) => gateway.readRows());
  begin();
  await looked(1);
});

afterEach(async () => {
  end();
  await world.close();
});

function begin(): void {
  const told: Parameters<typeof reviveServers>[0]['attend'] = (onReport) => {
    const publish = world.gateway.attend(onReport);
    return (cares) => {
      publish(cares);
      looks.push(cares);
    };
  };
  end = reviveServers({
    ...{ paths: world.paths, environment: {}, signal: world.stop.signal, now: () => new Date(nowMs), clock },
    warn: (line) => void world.notes.push(line),
    attend: told,
    runCommand: (_, words) =>
      new Promise((resolve) => void commands.push({ words: words.join(' '), end: () => resolve(0) })),
  });
}

const route = () => {
  const found = findRoute(world.ledger, 'tickets');
  if (!found) throw new Error('no route');
  return found;
};

/** As many looks, or words on what was done after them, as that. */
const looked = async (count: number): Promise<void> => {
  while (looks.length < count) await new Promise(setImmediate);
};

const passes = (byMs: number): void => {
  nowMs += byMs;
  clock.advance(byMs);
};

const killed = () => world.engine.stopServer(route().serverId);

describe('a request that finds nobody at a model server', () => {
  test('has it started again, without waiting for the regular look, and learns that it is', async () => {
    await killed();
    passes(restBetweenMs);
    expect(commands).toEqual([]);
    expect((await world.ask()).status).toBe(503);
    passes(0);
    await looked(2);
    expect(commands.map(({ words }) => words)).toEqual(['releases recover --servers']);
    expect(looks.at(-1)).toEqual([{ serverId: route().serverId, nextAtMs: null }]);
    expect(world.notes.at(-1)).toMatch(/^A request found that the model server of tickets does not answer/);
  });

  test('and others that do so meanwhile have one look, and one command, at a time', async () => {
    await killed();
    passes(restBetweenMs);
    await world.ask();
    passes(0);
    await looked(2);
    await world.ask();
    passes(lookEveryMs);
    expect([commands.length, looks.length]).toEqual([1, 2]);
    commands[0]?.end();
    // What was told of meanwhile is looked at once more: it is not up, and its time to be tried again has not come.
    await looked(3);
    await new Promise(setImmediate);
    passes(0);
    await looked(4);
    expect(commands).toHaveLength(1);
    expect(looks.at(-1)).toEqual([{ serverId: route().serverId, nextAtMs: nowMs + restBetweenMs }]);
  });

  test('while Docker has not seen that its container ended is followed by another look soon: nothing could be started', async () => {
    await killed();
    passes(restBetweenMs);
    await world.ask();
    passes(0);
    await looked(2);
    commands[0]?.end();
    await looked(3);
    expect(looks.at(-1)).toEqual([{ serverId: route().serverId, nextAtMs: nowMs + restBetweenMs }]);
    await new Promise(setImmediate);
    passes(restBetweenMs);
    await looked(4);
    expect(commands).toHaveLength(2);
    // By now it had: the route leads to another server, whose own end would be tried more and more seldom.
    const lost = route();
    setRoute(world.ledger, { ...lost, serverId: 'another' });
    commands[1]?.end();
    await looked(5);
    expect(looks.at(-1)).toEqual([{ serverId: lost.serverId, nextAtMs: nowMs + lookEveryMs }]);
  });

  test('of a model that a promotion is at work on has nothing started: the promotion sees to it', async () => {
    expect(await killAt(world, 'flip: begun', (edges) => world.promote(2, 'production', edges))).toBe(true);
    await killed();
    passes(restBetweenMs);
    expect((await world.ask()).status).toBe(503);
    passes(0);
    await looked(2);
    expect([commands, looks.at(-1)]).toEqual([[], []]);
  });

  test('of a server that is well again at the look has nothing started', async () => {
    const { address } = route();
    setRoute(world.ledger, { ...route(), address: 'unix:/nowhere/gone.sock' });
    await world.edges.gateway().then((gateway) => gateway.readRows());
    passes(restBetweenMs);
    expect((await world.ask()).status).toBe(503);
    setRoute(world.ledger, { ...route(), address });
    passes(0);
    await looked(2);
    expect([commands, looks.at(-1)]).toEqual([[], []]);
  });

  test('when the gateway has been told to stop has nothing started', async () => {
    await killed();
    end();
    await world.ask();
    passes(lookEveryMs);
    await new Promise(setImmediate);
    expect([commands, looks]).toEqual([[], [[]]]);
  });
});
