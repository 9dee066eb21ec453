// The gateway's core without a server around it: the clock and chance are the test's, the upstreams are real.
import { parse } from 'yaml';

import { toConfig } from '../../../src/config/load.js';
import { configSchema } from '../../../src/config/schema.js';
import { createApp, type Core } from '../../../src/gateway/app.js';
import { openBreakers } from '../../../src/gateway/breakers.js';
import type { Clock } from '../../../src/gateway/clock.js';
import { systemClock } from '../../../src/gateway/clock.js';
import { openDeparture, type Departure } from '../../../src/gateway/departure.js';
import type { GatewayResponse, Trace } from '../../../src/gateway/exchange.js';
import type { GoneServers } from '../../../src/gateway/gone-servers.js';
import type { Finished } from '../../../src/gateway/node-server.js';
import { openHolds } from '../../../src/gateway/holds.js';
import { openRetryBudget } from '../../../src/gateway/retry.js';
import { buildRouting, type Routing } from '../../../src/gateway/routing.js';
import { openShadows } from '../../../src/gateway/shadow.js';
import type { Stages } from '../../../src/gateway/stages.js';
import { readUpstreamKeys } from '../../../src/gateway/upstream-keys.js';
import { openUpstreams } from '../../../src/gateway/upstreams.js';
import type { Route } from '../../../src/ledger/promotions.js';

export type Answer = { status: number; headers: Record<string, string>; text: string; trace: Trace };

export type Asked = {
  path?: string;
  headers?: Record<string, string>;
  departure?: Departure;
  /** As the middleware for keys would fill it in. */
  trace?: Partial<Trace>;
};

export type CoreBench = {
  core: Core;
  shadows: Finished[];
  /** The whole answer, read to its end. */
  ask: (body: unknown, asked?: Asked) => Promise<Answer>;
  /** The answer once it has begun. */
  begin: (body: unknown, asked?: Asked) => Promise<{ response: GatewayResponse; trace: Trace }>;
  close: () => Promise<void>;
};

export type CoreSettings = {
  /** mlx.yaml */
  config?: string;
  rows?: Route[];
  environment?: NodeJS.ProcessEnv;
  clock?: Clock;
  random?: () => number;
  stages?: Partial<Stages>;
  gone?: GoneServers;
  /** Instead of what config and rows say. */
  routing?: () => Routing;
};

/** Nobody is asked for a key, nothing is counted. */
const plainStages: Stages = {
  authorize: (next) => next,
  expand: async (_, question) => question,
  admit: async () => undefined,
  redact: async () => undefined,
  meter: () => undefined,
  capture: (_request, _question, response) => response,
};

export function openCore(settings: CoreSettings = {}): CoreBench {
  const config = toConfig(configSchema.parse(parse(settings.config ?? '') ?? {}), '/project');
  const upstreams = readUpstreamKeys(config.upstreams, settings.environment ?? {});
  const routing = buildRouting({ routes: config.routes, upstreams }, settings.rows ?? []);
  const clock = settings.clock ?? systemClock;
  const shadows: Finished[] = [];
  const core: Core = {
    stages: { ...plainStages, ...settings.stages },
    metrics: async () => '',
    port: () => 1,
    routing: settings.routing ?? (() => routing),
    upstreams: openUpstreams(),
    breakers: openBreakers(clock),
    gone: settings.gone ?? { report: () => undefined, doingAbout: () => undefined },
    retries: openRetryBudget(),
    shadows: openShadows(),
    onShadow: (finished) => void shadows.push(finished),
    admission: (next) => next,
    holds: openHolds(settings.routing ?? (() => routing), clock.nowMs),
    clock,
    random: settings.random ?? (() => 0.5),
  };
  const begin = beginWith(core);
  return {
    core,
    shadows,
    begin,
    ask: async (body, asked) => {
      const { response, trace } = await begin(body, asked);
      return { status: response.status, headers: response.headers, text: await textOf(response), trace };
    },
    close: async () => {
      core.shadows.stop();
      await core.upstreams.close();
    },
  };
}

function beginWith(core: Core): CoreBench['begin'] {
  const app = createApp(core);
  let count = 0;
  return async (
    body,
    { path = '/v1/chat/completions', headers = {}, departure = openDeparture(), trace: filled = {} } = {},
  ) => {
    const trace: Trace = { ...filled, attempts: [] };
    const response = await app({
      id: `req_${(count += 1)}`,
      method: 'POST',
      target: path,
      headers: { host: 'localhost:1', ...headers },
      hostHeaders: 1,
      readBody: () => Promise.resolve(typeof body === 'string' ? Buffer.from(body) : Buffer.from(JSON.stringify(body))),
      departure,
      whenOver: () => undefined,
      trace,
    });
    return { response, trace };
  };
}

export async function textOf({ body }: GatewayResponse): Promise<string> {
  if (typeof body === 'string') return body;
  if (body instanceof Uint8Array) return Buffer.from(body).toString('utf8');
  const parts: Uint8Array[] = [];
  for await (const part of body) parts.push(part);
  return Buffer.concat(parts).toString('utf8');
}

/** A clock that stands still until the test moves it on. */
export type HeldClock = Clock & { advance: (byMs: number) => void; timers: () => number };

export function heldClock(): HeldClock {
  let nowMs = 0;
  let timers: { atMs: number; run: () => void }[] = [];
  return {
    nowMs: () => nowMs,
    after: (delayMs, run) => {
      const timer = { atMs: nowMs + delayMs, run };
      timers.push(timer);
      return () => void (timers = timers.filter((one) => one !== timer));
    },
    advance: (byMs) => {
      const endMs = nowMs + byMs;
      for (let due = next(); due !== undefined && due.atMs <= endMs; due = next()) {
        const ringing = due;
        timers = timers.filter((one) => one !== ringing);
        nowMs = Math.max(nowMs, ringing.atMs);
        ringing.run();
      }
      nowMs = endMs;
    },
    timers: () => timers.length,
  };
  function next() {
    return timers.reduce<{ atMs: number; run: () => void } | undefined>(
      (first, one) => (first === undefined || one.atMs < first.atMs ? one : first),
      undefined,
    );
  }
}
