import { writeFileSync } from 'node:fs';

import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { findPromotion, findRoute, listPromotions } from '../../../src/ledger/promotions.js';
import { aliasedVersion } from '../../../src/ledger/versions.js';
import { promote } from '../../../src/registry/promote.js';
import { errorText, promotionStatus, renderPromotion } from '../../../src/registry/report.js';
import { rollbackCandidate, serveCandidate } from '../../../src/registry/targets.js';
import type { Behaviour } from './fake-engine.js';
import { makeWorld, type World } from './world.js';

let world: World;

beforeEach(async () => {
  world = await makeWorld();
});

afterEach(() => world.close());

const live = (alias = 'production') => aliasedVersion(world.ledger, 'tickets', alias);
const serverIds = () => [...world.engine.servers.keys()];
const tag = (name: string) => world.engine.tags.get(`tickets:${name}`);
const states = () => listPromotions(world.ledger, { limit: 9 }).map(({ state }) => state);

function rollback(to?: number) {
  const candidate = rollbackCandidate(world.ledger, 'tickets', to);
  return promote(world.edges, { ...candidate, kind: 'rollback', actor: 'ada', reason: 'drill' });
}

function serve(reference: string) {
  const candidate = serveCandidate(world.ledger, reference);
  return promote(world.edges, { ...candidate, kind: 'promote', actor: 'ada', reason: 'mlx serve' });
}

describe('a promotion', () => {
  test('puts a version live: route, aliases, tags, one server', async () => {
    expect(await world.promote(1)).toMatchObject({ outcome: 'promoted', fromVersion: null, toVersion: 1 });
    expect(await world.ask()).toEqual({ status: 200, version: 'tickets:1' });
    expect(await world.promote(2)).toMatchObject({ outcome: 'promoted', fromVersion: 1, toVersion: 2 });
    expect(await world.ask()).toEqual({ status: 200, version: 'tickets:2' });
    expect([live(), live('previous')]).toEqual([2, 1]);
    expect([tag('production'), tag('previous')]).toEqual([tag('v2'), tag('v1')]);
    expect(serverIds()).toEqual([findRoute(world.ledger, 'tickets')?.serverId]);
    expect(states()).toEqual(['promoted', 'promoted']);
  });

  test('of the version that is live changes nothing', async () => {
    await world.promote(1);
    const before = serverIds();
    expect(await world.promote(1)).toMatchObject({ outcome: 'already_live', toVersion: 1 });
    expect(serverIds()).toEqual(before);
    expect(states()).toEqual(['promoted']);
  });

  test('lets an open stream end on the old server before it stops it', async () => {
    await world.promote(1);
    const { body } = await world.openStream();
    const promoting = world.promote(2);
    while (!world.steps.includes('drain')) await new Promise((resolve) => setImmediate(resolve));
    expect(serverIds()).toHaveLength(2);
    expect(await world.ask()).toEqual({ status: 200, version: 'tickets:2' });
    world.engine.openStreams[0]?.end(
      'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n',
    );
    expect(await body.text()).toContain('[DONE]');
    expect(await promoting).toMatchObject({ outcome: 'promoted' });
    expect(serverIds()).toHaveLength(1);
    expect(world.notes).toEqual([]);
  });

  test('cuts a stream that outlives the drain time, and says so', async () => {
    await world.promote(1);
    const { body } = await world.openStream();
    expect(await world.promote(2)).toMatchObject({ outcome: 'promoted' });
    expect(await body.text()).toContain('upstream_failed');
    expect(world.notes.join()).toContain('1 open answer after');
  });

  test('to another alias has its own address, and shares the server when production gets the same version', async () => {
    await world.promote(1);
    await world.promote(2, 'staging');
    expect(await world.ask('tickets@staging')).toEqual({ status: 200, version: 'tickets:2' });
    expect(await world.ask()).toEqual({ status: 200, version: 'tickets:1' });
    const staging = findRoute(world.ledger, 'tickets@staging')?.serverId;
    expect(await world.promote(2)).toMatchObject({ outcome: 'promoted', serverId: staging });
    expect(serverIds()).toEqual([staging]);
    expect(world.engine.started).toHaveLength(2);
  });
});

describe('a candidate that', () => {
  test.each<[Behaviour, string, string]>([
    ['exits', 'SERVER_NOT_READY', 'exited with status 3'],
    ['never_healthy', 'SERVER_NOT_READY', '/health answered 503'],
    ['wrong_name', 'SERVER_NOT_READY', '/v1/models names another'],
    ['broken_answers', 'SERVER_NOT_READY', '/v1/chat/completions answered 500'],
    ['cannot_start', 'PROGRAM_MISSING', 'no interpreter'],
    ['dies_of_answers', 'SERVER_NOT_READY', 'was not healthy any more'],
    ['wrong_digest', 'IMAGE_CORRUPT', 'runs sha256:000000000000'],
    ['out_of_memory', 'SERVER_NOT_READY', 'exited with status 137'],
  ])('%s leaves everything as it was', async (behaviour, code, why) => {
    await world.promote(1);
    const before = {
      route: findRoute(world.ledger, 'tickets'),
      servers: serverIds(),
      tags: new Map(world.engine.tags),
    };
    world.engine.behaviour = behaviour;
    const result = await world.promote(2);
    expect(result).toMatchObject({ outcome: 'failed', serverId: null, error: { code } });
    expect(result.error?.message).toContain(why);
    if (code === 'SERVER_NOT_READY') expect(result.error?.message).toContain('line of tickets-v2-');
    expect({ route: findRoute(world.ledger, 'tickets'), servers: serverIds(), tags: world.engine.tags }).toEqual(
      before,
    );
    expect([live(), live('previous')]).toEqual([1, undefined]);
    expect(await world.ask()).toEqual({ status: 200, version: 'tickets:1' });
    expect(states()).toEqual(['failed', 'promoted']);
  });

  test('gets golden prompts wrong, or is too slow, is refused', async () => {
    await world.promote(1);
    const messages = [{ role: 'user', content: 'Hi' }];
    const rows = [
      { messages, equals: 'version 1' },
      { messages, max_ms: 5 },
    ];
    writeFileSync(world.edges.goldenFile, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
    let nowMs = 0;
    // Every look at this clock takes 10 ms.
    const result = await world.promote(2, 'production', { ...world.edges, clock: () => (nowMs += 10) });
    expect(result).toMatchObject({ outcome: 'failed', error: { code: 'GOLDEN_FAILED' } });
    expect(result.error?.message).toContain(
      "line 1: the answer is not what 'equals' says\n  line 2: the answer took 10 ms",
    );
    const [first, second] = result.error?.problems ?? [];
    expect(first).toMatchObject({ line: 1, expected: 'version 1', actual: expect.any(String) });
    expect(renderPromotion(result).split('\n').slice(1, -1)).toEqual([
      'tickets:2 got 2 of 2 golden prompts wrong: [GOLDEN_FAILED]',
      "  line 1: the answer is not what 'equals' says",
      '    expected  version 1',
      `    answered  ${first?.actual}`,
      '  line 2: the answer took 10 ms, more than 5',
      `    answered  ${second?.actual}`,
    ]);
    expect(findPromotion(world.ledger, result.id ?? 0)?.errorMessage).not.toContain('answered');
    expect(promotionStatus(result)).toBe(4);
    expect(await world.ask()).toEqual({ status: 200, version: 'tickets:1' });
    expect(serverIds()).toHaveLength(1);
  });

  test('has what it answered instead shown in a line or two, and nothing that a terminal would do', () => {
    // A colour in 8 bits, an order of writing turned round, a word joined by nothing, and letters of two UTF-16 units.
    const actual = `\u001b[2J\u009b31m\u202eturned\u200b${'many\ud83d\ude00words\n'.repeat(50)}`;
    const problems = Array.from({ length: 7 }, (_, line) => ({
      file: 'f',
      line,
      message: 'wrong',
      expected: ' ',
      actual,
    }));
    const text = errorText({ code: 'GOLDEN_FAILED', message: 'wrong:\n  line 0', hint: null, problems }).split('\n');
    expect(text.slice(0, 3)).toEqual(['wrong: [GOLDEN_FAILED]', '  line 0: wrong', '    expected  (nothing)']);
    const shown = text[3]?.replace('    answered  ', '') ?? '';
    expect(shown).toMatch(/^\[2J 31m turned many\u{1f600}words many[^\p{C}]+…$/u);
    expect([...shown]).toHaveLength(141);
    expect(text.at(-1)).toBe('  and 2 more (--json has all)');
  });

  test.each(['side-by-side', 'hold'] as const)(
    'is far slower than the live version is refused, with both figures (%s)',
    async (strategy) => {
      await world.promote(1);
      let nowMs = 0;
      // Every look at this clock takes longer once the candidate runs.
      const clock = () =>
        (nowMs += [...world.engine.servers.values()].some(({ state }) => state.version === 2) ? 700 : 10);
      const edges = { ...world.edges, clock, readyTimeoutMs: 100_000 };
      const result = await world.promote(2, 'production', edges, strategy);
      expect(result).toMatchObject({ outcome: 'failed', error: { code: 'TOO_SLOW' } });
      expect(result.error?.message).toContain(
        'tickets:2 is far slower than tickets:1, which is live: its answers take 700 ms',
      );
      expect(promotionStatus(result)).toBe(4);
      expect(await world.ask()).toEqual({ status: 200, version: 'tickets:1' });
      expect(serverIds()).toHaveLength(1);
      nowMs = 0;
      expect(await world.promote(2, 'production', { ...edges, maxSlowdown: 0 }, strategy)).toMatchObject({
        outcome: 'promoted',
      });
    },
  );

  test('is waited for when the person presses Ctrl-C is stopped', async () => {
    world.engine.behaviour = 'never_healthy';
    const promoting = world.promote(1);
    while (!world.steps.includes('ready')) await new Promise((resolve) => setImmediate(resolve));
    world.stop.abort();
    expect(await promoting).toMatchObject({ outcome: 'failed', error: { code: 'INTERRUPTED' } });
    expect(serverIds()).toEqual([]);
  });
});

test.each(['production', 'previous'])('when the tag %s cannot be moved, the switch is taken back', async (name) => {
  await world.promote(1);
  const before = { tags: new Map(world.engine.tags), server: findRoute(world.ledger, 'tickets')?.serverId };
  world.engine.failingTag = name;
  // The undoing moves the same tag, and succeeds again by then or has nothing to do.
  const result = await world.promote(2);
  expect(result).toMatchObject({ outcome: 'failed', error: { code: 'DISK_FULL' } });
  expect(await world.ask()).toEqual({ status: 200, version: 'tickets:1' });
  expect(serverIds()).toEqual([before.server]);
  expect(world.engine.tags).toEqual(before.tags);
  expect(live()).toBe(1);
});

describe('a rollback', () => {
  test('goes to the version before, and says how to undo it', async () => {
    await world.promote(1);
    await world.promote(2);
    const result = await rollback();
    expect(result).toMatchObject({ outcome: 'rolled_back', fromVersion: 2, toVersion: 1 });
    expect(renderPromotion(result)).toContain('undo   mlx promote tickets:2');
    expect(await world.ask()).toEqual({ status: 200, version: 'tickets:1' });
  });

  test('takes the version that it is told', async () => {
    await world.promote(1);
    await world.promote(2);
    expect(await rollback(1)).toMatchObject({ outcome: 'rolled_back', toVersion: 1 });
  });

  test('is not confused by restarts and failures in between', async () => {
    await world.promote(1);
    await world.promote(2);
    await world.engine.close();
    expect(await serve('tickets')).toMatchObject({ outcome: 'restarted', toVersion: 2 });
    world.engine.behaviour = 'exits';
    await world.promote(1);
    world.engine.behaviour = 'good';
    expect(await rollback()).toMatchObject({ outcome: 'rolled_back', toVersion: 1 });
  });

  test('with nothing to go back to says so', async () => {
    await world.promote(1);
    expect(() => rollbackCandidate(world.ledger, 'tickets', undefined)).toThrowError(
      expect.objectContaining({ code: 'NOT_FOUND', hint: expect.stringContaining('--to') }),
    );
  });
});

describe('serving', () => {
  test('puts the first version into production, and another one beside it', async () => {
    expect(await serve('tickets:1')).toMatchObject({ outcome: 'promoted', route: 'tickets' });
    expect(await serve('tickets:2')).toMatchObject({ outcome: 'promoted', route: 'tickets@v2' });
    expect(await world.ask('tickets@v2')).toEqual({ status: 200, version: 'tickets:2' });
    expect(await serve('tickets@v2')).toMatchObject({ outcome: 'already_live' });
    expect(await serve('tickets')).toMatchObject({ outcome: 'already_live', toVersion: 1 });
    expect([live(), live('v2'), tag('v2') === tag('production')]).toEqual([1, undefined, false]);
  });

  test('starts the server of a route again when it is gone', async () => {
    await serve('tickets:1');
    await world.engine.close();
    expect((await world.ask()).status).toBe(502);
    expect(await serve('tickets')).toMatchObject({ outcome: 'restarted', toVersion: 1 });
    expect(await world.ask()).toEqual({ status: 200, version: 'tickets:1' });
  });
});

describe('two at once', () => {
  test('one is told that the other is at work', async () => {
    const first = world.promote(1);
    while (!world.steps.includes('start')) await new Promise((resolve) => setImmediate(resolve));
    await expect(world.promote(2)).rejects.toMatchObject({ code: 'BUSY' });
    expect(await first).toMatchObject({ outcome: 'promoted' });
  });
});

test('a gateway that dies during the switch fails it, and nothing is left of the candidate', async () => {
  await world.promote(1);
  const promoting = world.promote(2);
  while (!world.steps.includes('ready')) await new Promise((resolve) => setImmediate(resolve));
  const stopped = world.gateway.stop();
  const result = await promoting;
  await stopped;
  expect(result).toMatchObject({ outcome: 'failed', error: { code: 'GATEWAY_DOWN' } });
  expect(findRoute(world.ledger, 'tickets')?.version).toBe(1);
  expect(serverIds()).toHaveLength(1);
});
