// What data_class: private promises: whatever fails, and however chance falls, nothing of such a request leaves the machine.
import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';

import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { configSchema } from '../../../src/config/schema.js';
import { ownRoute, parseTarget, type RouteConfig } from '../../../src/config/route-schema.js';
import { mayTake, planAttempts } from '../../../src/gateway/plan.js';
import { buildRouting, type KeyedUpstream } from '../../../src/gateway/routing.js';
import type { Route } from '../../../src/ledger/promotions.js';
import { openCore } from './core-bench.js';

const localModels = ['tickets', 'tickets@staging', 'gone'];
const targets = [...localModels.map((name) => `local/${name}`), 'cloud/gpt', 'ollama/llama', 'unknown/x'];

const anyTarget = fc.constantFrom(...targets).map(parseTarget);
const anyRoute = fc.record({
  primary: anyTarget,
  fallback: fc.array(anyTarget, { maxLength: 4 }),
  canary: fc.option(
    fc.record({ target: anyTarget, percent: fc.integer({ min: 0, max: 100 }), sticky: fc.constant('key' as const) }),
    { nil: undefined },
  ),
  shadow: fc.option(fc.record({ target: anyTarget, percent: fc.integer({ min: 0, max: 100 }) }), { nil: undefined }),
  dataClass: fc.constantFrom('private' as const, 'internal' as const, 'public' as const),
  retries: fc.integer({ min: 0, max: 3 }),
});
const anyBreaker = fc.constantFrom('closed' as const, 'open' as const, 'half_open' as const);

function upstream(name: string, url: string, local: boolean): KeyedUpstream {
  return { name, dialect: 'openai', url, key: undefined, local, rewrite: { drop: [], rename: {}, set: {} } };
}

function row(name: string, address: string): Route {
  const [model = name] = name.split('@');
  return {
    name,
    model,
    version: 1,
    digest: 'sha256:1',
    serverId: `${name}-a`,
    engine: 'host',
    address,
    updatedAtMs: 1,
  };
}

describe('a plan for a private request', () => {
  test('never holds a destination elsewhere, and holds the same ones as any other otherwise', () => {
    fc.assert(
      fc.property(
        anyRoute,
        fc.dictionary(fc.constantFrom('tickets-a', 'tickets@staging-a', 'cloud', 'ollama'), anyBreaker),
        fc.double({ min: 0, max: 99.99, noNaN: true }),
        fc.double({ min: 0, max: 99.99, noNaN: true }),
        (drawn, breakers, canaryDraw, shadowDraw) => {
          const route: RouteConfig = { ...ownRoute('r'), ...drawn };
          const routing = buildRouting(
            {
              routes: [route],
              upstreams: [upstream('cloud', 'https://x.test', false), upstream('ollama', 'http://localhost:1', true)],
            },
            [row('tickets', 'unix:/a'), row('tickets@staging', 'unix:/b')],
          );
          const situation = {
            breakerOf: (id: string) => breakers[id] ?? ('closed' as const),
            closedForMs: () => 0,
            canaryDraw,
            shadowDraw,
          };
          const plan = planAttempts(routing, route, situation);
          const reached = [...plan.steps, ...(plan.shadow ? [plan.shadow] : [])].map(({ destination }) => destination);
          if (route.dataClass === 'private') expect(reached.every(({ local }) => local)).toBe(true);
          expect(reached.every((destination) => mayTake(route.dataClass, destination))).toBe(true);
          const open = planAttempts(routing, { ...route, dataClass: 'public' }, situation);
          expect(plan.steps).toEqual(open.steps.filter(({ destination }) => mayTake(route.dataClass, destination)));
        },
      ),
      { numRuns: 2_000 },
    );
  });
});

describe('the gateway', () => {
  type Mood = 'answer' | 'refuse' | 'busy' | 'cut' | 'half' | 'stream cut';
  let moods: Mood[] = [];
  let cloudCalls = 0;
  let cloudBytes = 0;
  /** Behaves as the next mood says; the last one stays. */
  const here = createServer((incoming, outgoing) => {
    incoming.resume();
    incoming.once('end', () => {
      const mood = (moods.length > 1 ? moods.shift() : moods[0]) ?? 'answer';
      if (mood === 'answer') outgoing.writeHead(200, { 'content-type': 'application/json' }).end('{"choices":[]}');
      else if (mood === 'refuse') outgoing.writeHead(500).end('no');
      else if (mood === 'busy') outgoing.writeHead(503, { 'retry-after': '0' }).end();
      else if (mood === 'cut') outgoing.destroy();
      else {
        outgoing.writeHead(200, { 'content-type': mood === 'half' ? 'application/json' : 'text/event-stream' });
        outgoing.write('data: {"choices":', () => outgoing.destroy());
      }
    });
  });
  /** Stands for the rest of the world: it counts every byte that reaches it. */
  const cloud = createServer((_, outgoing) => {
    cloudCalls += 1;
    outgoing.end('{"choices":[]}');
  }).on('connection', (socket) => socket.on('data', (bytes: Buffer) => void (cloudBytes += bytes.length)));

  beforeAll(async () => {
    for (const server of [here, cloud]) {
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
    }
  });

  afterAll(() => {
    for (const server of [here, cloud]) {
      server.closeAllConnections();
      server.close();
    }
  });

  const urlOf = (server: typeof here) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  test('sends no byte of a private request elsewhere, whatever fails and in whatever order', async () => {
    const anyMoods = fc.array(fc.constantFrom<Mood>('answer', 'refuse', 'busy', 'cut', 'half', 'stream cut'), {
      minLength: 1,
      maxLength: 12,
    });
    await fc.assert(
      fc.asyncProperty(
        anyRoute,
        anyMoods,
        fc.boolean(),
        fc.integer({ min: 1, max: 8 }),
        async (drawn, sequence, up, times) => {
          moods = sequence;
          [cloudCalls, cloudBytes] = [0, 0];
          const route: RouteConfig = { ...ownRoute('r'), ...drawn, dataClass: 'private' };
          // The cloud listens on this machine in a test, but says nothing of being local: that is what counts.
          const upstreams = [
            upstream('cloud', `${urlOf(cloud)}/v1`, false),
            upstream('ollama', `${urlOf(here)}/v1`, true),
          ];
          const rows = up ? [row('tickets', urlOf(here)), row('tickets@staging', 'unix:/nowhere')] : [];
          const routing = buildRouting({ routes: [route], upstreams }, rows);
          const clock = { nowMs: () => performance.now(), after: (_: number, run: () => void) => instant(run) };
          const bench = openCore({ routing: () => routing, clock: { ...clock, after: shortWaits(clock.after) } });
          for (let count = 0; count < times; count += 1) {
            await bench.ask({ model: 'r', messages: [] }).catch(() => undefined);
          }
          await bench.close();
          expect({ cloudCalls, cloudBytes }).toEqual({ cloudCalls: 0, cloudBytes: 0 });
        },
      ),
      { numRuns: 60 },
    );
  });

  test('does ask the same upstream for a request that may leave: the test above can fail', async () => {
    const upstreams = [upstream('cloud', `${urlOf(cloud)}/v1`, false)];
    const route: RouteConfig = { ...ownRoute('r'), fallback: [parseTarget('cloud/gpt')], dataClass: 'internal' };
    const routing = buildRouting({ routes: [route], upstreams }, []);
    cloudCalls = 0;
    const bench = openCore({ routing: () => routing });
    expect((await bench.ask({ model: 'r', messages: [] })).status).toBe(200);
    expect(cloudCalls).toBe(1);
    await bench.close();
  });
});

test('mlx.yaml cannot make an upstream elsewhere local', () => {
  const file = { upstreams: { cloud: { dialect: 'openai', url: 'https://api.x.test', local: true } } };
  expect(configSchema.safeParse(file).success).toBe(false);
});

/** Waits of a retry are over at once; those of a phase's timer never come. */
function shortWaits(now: (delayMs: number, run: () => void) => () => void) {
  return (delayMs: number, run: () => void) => (delayMs <= 2_000 ? now(delayMs, run) : () => undefined);
}

function instant(run: () => void): () => void {
  const immediate = setImmediate(run);
  return () => clearImmediate(immediate);
}
