// Breakers of several workers, over channels that carry messages as processes do: copied, and a turn of the event loop later.
import { describe, expect, it } from 'vitest';

import { breakerRules } from '../../../../src/gateway/breaker.js';
import { openBreakers } from '../../../../src/gateway/breakers.js';
import type { PrimaryCalls, WorkerCalls } from '../../../../src/gateway/workers/calls.js';
import { ChannelClosed, openChannel, type Channel } from '../../../../src/gateway/workers/channel.js';
import { openDesk } from '../../../../src/gateway/workers/desk.js';
import { remoteBreakers, shareBreakers } from '../../../../src/gateway/workers/shared-breakers.js';

describe('breakers of two workers', () => {
  it('are told nothing while every call goes well', async () => {
    const { one, told } = twoWorkers();
    for (let call = 0; call < 10; call += 1) (await one.begin('a'))?.('well');
    await delivered();
    expect(told).toEqual([]);
  });

  it('open for both, when each saw a part of the failures, and let one probe pass', async () => {
    const { one, other, clock } = twoWorkers();
    for (let call = 0; call < breakerRules.atLeast; call += 1) {
      (await (call % 2 === 0 ? one : other).begin('a'))?.('failed');
    }
    await delivered();
    expect([one.stateOf('a'), other.stateOf('a')]).toEqual(['open', 'open']);
    expect(await one.begin('a')).toBeUndefined();
    clock.now += breakerRules.openForMs;
    const probes = await Promise.all([one.begin('a'), other.begin('a'), one.begin('a')]);
    const granted = probes.filter((probe) => probe !== undefined);
    expect(granted).toHaveLength(1);
    granted[0]?.('well');
    await delivered();
    expect([one.stateOf('a'), other.stateOf('a')]).toEqual(['closed', 'closed']);
  });

  it('let another probe pass at once when the worker that probed has died', async () => {
    const { one, other, clock, dieOfOne } = twoWorkers();
    for (let call = 0; call < breakerRules.atLeast; call += 1) (await one.begin('a'))?.('failed');
    await delivered();
    clock.now += breakerRules.openForMs;
    expect(await one.begin('a')).toBeDefined();
    await delivered();
    expect(await other.begin('a')).toBeUndefined();
    dieOfOne();
    await delivered();
    expect(await other.begin('a')).toBeDefined();
  });

  it('count calls that went well once there was a failure, and forget all when failures are old', async () => {
    const { one, clock, told } = twoWorkers();
    (await one.begin('a'))?.('failed');
    await delivered();
    for (let call = 0; call < breakerRules.atLeast; call += 1) (await one.begin('a'))?.('well');
    await delivered();
    expect(told.at(-1)).toMatchObject({ troubled: true, state: 'closed' });
    clock.now += breakerRules.forgetAfterMs;
    (await one.begin('a'))?.('well');
    await delivered();
    expect(told.at(-1)).toMatchObject({ troubled: false });
  });

  it('are told anew of an upstream that went with the routes and came back', async () => {
    const { one, shared, told } = twoWorkers();
    const failOnce = async () => {
      (await one.begin('a'))?.('failed');
      await delivered();
    };
    await failOnce();
    shared.keepOnly(new Set(['b']));
    one.keepOnly(new Set(['b']));
    await failOnce();
    expect(told).toHaveLength(2);
    expect(told[1]).toEqual(told[0]);
  });
});

describe('a channel', () => {
  it('fails what was asked of a process that has ended, then and later', async () => {
    const channel: Channel<{ ping: (text: string) => string }> = openChannel(() => undefined, {});
    const asked = channel.ask('ping', 'x');
    channel.close();
    await expect(asked).rejects.toThrow(ChannelClosed);
    await expect(channel.ask('ping', 'x')).rejects.toThrow(ChannelClosed);
  });

  it('says in one message what was said in one turn, in its order', async () => {
    const sent: unknown[][] = [];
    const channel: Channel<{ note: (text: string) => void }> = openChannel((packets) => void sent.push(packets), {});
    channel.tell('note', 'a');
    channel.tell('note', 'b');
    await delivered();
    expect(sent).toMatchObject([[{ input: 'a' }, { input: 'b' }]]);
  });
});

function twoWorkers() {
  const held = { now: 1_000 };
  const clock = { nowMs: () => held.now, after: () => () => undefined };
  const told: unknown[] = [];
  const channels: Channel<WorkerCalls>[] = [];
  const shared = shareBreakers(openBreakers(clock), (view) => {
    told.push(view);
    for (const channel of channels) channel.tell('breaker', view);
  });
  const employ = () => {
    const counting = {
      keeper: { reserve: () => Promise.reject(new Error('not asked here')), settle: none, release: none, charge: none },
      beginBusy: () => () => 0,
    };
    const desk = openDesk({
      ...{ clients: { counting, finish: none }, breakers: shared, gone: { report: none } },
      metrics: async () => '',
    });
    const alive = { toPrimary: true };
    const calls: PrimaryCalls = { ...desk.calls, hello: none, listening: none, cannotListen: none };
    const toWorker = openChannel<WorkerCalls, PrimaryCalls>((packets) => deliver(packets, toPrimary), calls);
    const own: Pick<WorkerCalls, 'breaker'> = { breaker: (view) => remote.note(view) };
    const toPrimary = openChannel<PrimaryCalls, typeof own>(
      (packets) => alive.toPrimary && deliver(packets, toWorker),
      own,
    );
    const remote = remoteBreakers(clock, toPrimary);
    channels.push(toWorker);
    const die = (): void => {
      alive.toPrimary = false;
      desk.clear();
    };
    return { breakers: remote.breakers, die };
  };
  const [first, second] = [employ(), employ()];
  return { one: first.breakers, other: second.breakers, dieOfOne: first.die, clock: held, told, shared };
}

const none = (): void => undefined;

function deliver(packets: unknown[], channel: { receive: (message: unknown) => void }): void {
  channel.receive(structuredClone(packets));
}

/** What was said by now, and what was said to that, has come. */
async function delivered(): Promise<void> {
  for (let turn = 0; turn < 6; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}
