// A model server's stand-in: a real HTTP server on a unix socket, whose answers the test scripts.
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';

import { request, type Dispatcher } from 'undici';

import { toMetering, type Metering } from '../../../src/config/metering.js';
import { configSchema } from '../../../src/config/schema.js';
import { loadConfig } from '../../../src/config/load.js';
import type { GatewayControl } from '../../../src/gateway/control.js';
import { gatewayControl } from '../../../src/gateway/control.js';
import { gatewayKey } from '../../../src/gateway/key.js';
import { startGatewayServer, type GatewaySettings, type RunningGateway } from '../../../src/gateway/server.js';
import { openLedger, type Ledger } from '../../../src/ledger/open.js';
import { setRoute, type Route } from '../../../src/ledger/promotions.js';

export type Call = {
  path: string;
  headers: IncomingMessage['headers'];
  body: string;
  /** Resolves when the gateway closed the connection before the answer was over. */
  cut: Promise<void>;
  answer: ServerResponse;
};

export type StandIn = {
  address: string;
  calls: Call[];
  /** The next call, or the oldest one that nobody waited for. */
  nextCall: () => Promise<Call>;
  close: () => Promise<void>;
};

/** `answer` undefined: the test answers each call by itself. */
export async function startStandIn(socketPath: string, answer?: (call: Call) => void): Promise<StandIn> {
  const calls: Call[] = [];
  const waiting: ((call: Call) => void)[] = [];
  const unclaimed: Call[] = [];
  const server = createServer((incoming, outgoing) => {
    void readAll(incoming).then((body) => {
      const cut = new Promise<void>((resolve) => outgoing.once('close', () => !outgoing.writableFinished && resolve()));
      const call: Call = { path: incoming.url ?? '', headers: incoming.headers, body, cut, answer: outgoing };
      calls.push(call);
      answer?.(call);
      const waiter = waiting.shift();
      if (waiter) waiter(call);
      else unclaimed.push(call);
    });
  });
  server.listen(socketPath);
  await once(server, 'listening');
  return {
    address: `unix:${socketPath}`,
    calls,
    nextCall: () => {
      const call = unclaimed.shift();
      return call ? Promise.resolve(call) : new Promise((resolve) => waiting.push(resolve));
    },
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export const sse = { 'content-type': 'text/event-stream' };

export function chunkEvent(text: string, finish: string | null = null): string {
  return `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content: text }, finish_reason: finish }] })}\n\n`;
}

export function answerJson(call: Call, text: string): void {
  const body = JSON.stringify({ choices: [{ message: { role: 'assistant', content: text }, finish_reason: 'stop' }] });
  call.answer.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) });
  call.answer.end(body);
}

/** A whole gateway in a folder of its own, with an empty ledger. */
export type Bench = {
  folder: string;
  ledger: Ledger;
  readonly gateway: RunningGateway;
  control: GatewayControl;
  key: string;
  readonly url: string;
  /** Another mlx.yaml, which a reload reads. */
  configure: (text: string) => Promise<void>;
  route: (change: Partial<Route> & Pick<Route, 'address' | 'serverId'>) => Promise<void>;
  /** The same files, and another port. */
  restart: (metering?: Metering) => Promise<void>;
  close: () => Promise<void>;
};

type BenchSettings = Partial<GatewaySettings> & {
  /** mlx.yaml */
  config?: string;
  metering?: Metering;
};

export async function startBench({ config = '', metering, ...settings }: BenchSettings = {}): Promise<Bench> {
  const folder = mkdtempSync(join(tmpdir(), 'mlx-gw-'));
  const configFile = join(folder, 'mlx.yaml');
  writeFileSync(configFile, config);
  const place = { project: folder, configFile };
  const readConfig = readingConfig(place, metering);
  const paths = {
    configFile,
    ledgerFile: join(folder, 'ledger.db'),
    trafficFile: join(folder, 'traffic.db'),
    captures: join(folder, 'captures'),
    prompts: join(folder, 'prompts'),
    run: folder,
    secrets: join(folder, 'secrets'),
    sockets: folder,
  };
  const ledger = openLedger(paths.ledgerFile);
  const plain = { paths, port: 0, now: () => new Date(), drainTimeoutMs: 2_000, warn: () => undefined };
  const defaults: GatewaySettings = { ...plain, readConfig, environment: {}, ...settings };
  let gateway = await startGatewayServer(defaults);
  const control = gatewayControl(folder);
  let clock = 1;
  return {
    folder,
    ledger,
    get gateway() {
      return gateway;
    },
    control,
    key: gatewayKey(paths.secrets),
    get url() {
      return `http://127.0.0.1:${gateway.port}`;
    },
    configure: async (text) => {
      writeFileSync(configFile, text);
      await control.reload();
    },
    route: async (change) => {
      const base = { name: 'tickets', model: 'tickets', version: 1, digest: 'sha256:1', engine: 'host' as const };
      const route = { ...base, updatedAtMs: (clock += 1), ...change };
      setRoute(ledger, route);
      await control.confirmRoute(route.name, route);
    },
    restart: async (changed) => {
      await gateway.stop();
      gateway = await startGatewayServer({ ...defaults, readConfig: readingConfig(place, changed ?? metering) });
    },
    close: async () => {
      await gateway.stop();
      ledger.close();
      rmSync(folder, { recursive: true });
    },
  };
}

/** Limits nothing, prices nothing, sends nothing on. */
export function plainMetering(gateway: unknown = {}): Metering {
  return toMetering(configSchema.parse({ gateway }).gateway);
}

function readingConfig(paths: { project: string; configFile: string }, metering: Metering | undefined) {
  return async () => {
    const read = await loadConfig(paths, {});
    return metering ? { ...read, gateway: { ...read.gateway, metering } } : read;
  };
}

export const question = JSON.stringify({ model: 'tickets', messages: [{ role: 'user', content: 'Grüße 🙂' }] });

export function postTo(
  bench: Bench,
  path: string,
  body: string | Buffer,
  headers: Record<string, string> = {},
  signal?: AbortSignal,
): Promise<Dispatcher.ResponseData> {
  return request(`${bench.url}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${bench.key}`, 'content-type': 'application/json', ...headers },
    body,
    ...(signal ? { signal } : {}),
  });
}

/** What a refusal says, in OpenAI's shape. */
export async function refusal(answer: Dispatcher.ResponseData) {
  const { error } = (await answer.body.json()) as { error: { code: string; message: string; type: string } };
  return { status: answer.statusCode, ...error };
}

/** Asks until it is so: the gateway hears of the end of an answer a moment after the client. */
export async function untilOpenRequestsAre(bench: Bench, expected: Record<string, number>): Promise<void> {
  for (;;) {
    const state = await bench.control.state();
    if (isDeepStrictEqual(state?.inFlight, expected)) return;
  }
}

async function readAll(incoming: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}
