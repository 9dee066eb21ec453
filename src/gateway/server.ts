// The gateway's process: routes from the ledger into memory, one port for clients, one socket for commands.
import { once } from 'node:events';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';

import type { Paths } from '../config/paths.js';
import { currentOwner } from '../engine/owner.js';
import { errorCode, MlxError } from '../errors.js';
import { createApp } from './app.js';
import { openBreakers } from './breakers.js';
import { openClients, type Clients } from './clients.js';
import { systemClock } from './clock.js';
import { controlSocket, gatewayOwnerFile } from './control-api.js';
import { serveControls } from './control-server.js';
import type { Handler } from './exchange.js';
import { openHolds } from './holds.js';
import { liveRouting, type GatewayConfig, type LiveRouting } from './live-routing.js';
import { openAdmission } from './middleware/admission.js';
import { serveHandler } from './node-server.js';
import { openRetryBudget } from './retry.js';
import { destinationIds, type Routing } from './routing.js';
import { openShadows } from './shadow.js';
import { openUpstreams } from './upstreams.js';

export type GatewaySettings = {
  paths: Pick<Paths, 'ledgerFile' | 'trafficFile' | 'prompts' | 'run' | 'secrets' | 'sockets'>;
  /** 0 takes any free port (tests). */
  port: number;
  now: () => Date;
  drainTimeoutMs: number;
  /** A line for the person who runs the gateway. */
  warn: (line: string) => void;
  /** mlx.yaml as it lies there now. */
  readConfig: () => Promise<GatewayConfig>;
  /** Holds the keys of upstreams. */
  environment: NodeJS.ProcessEnv;
};

export type RunningGateway = {
  port: number;
  /** Resolves when the gateway was told to stop, by a command. */
  stopRequested: Promise<void>;
  /** Reads routes and mlx.yaml anew. */
  reload: () => Promise<void>;
  /** Takes no more requests, lets open answers end, then closes. */
  stop: () => Promise<void>;
};

/** @throws MlxError PORT_TAKEN, CONFIG_INVALID */
export async function startGatewayServer(settings: GatewaySettings, open = openClients): Promise<RunningGateway> {
  const { paths, now } = settings;
  const parts = openParts();
  const routing = await liveRouting({ ...settings, ledgerFile: paths.ledgerFile }, parts.keepOnly);
  let port = settings.port;
  const clients = await open(settings, routing);
  const server = serveHandler(
    appOf(routing, parts, clients, () => port),
    clients.finish,
  );
  // Taken first: of two gateways that start at once, the one without the port must not touch the other's socket.
  port = await listen(server, settings.port);
  const startedAtMs = now().getTime();
  const reload = async (): Promise<void> => {
    await routing.reload();
    await clients.reload();
  };
  let requestStop = (): void => undefined;
  const stopRequested = new Promise<void>((resolve) => (requestStop = resolve));
  const control = await serveControls(controlSocket(paths.sockets), {
    state: () => ({
      ...{ pid: process.pid, port, startedAtMs, budgets: clients.budgets() },
      ...gatewayState(parts, routing),
    }),
    metrics: () => clients.metrics(parts.upstreams.open()),
    reload,
    stop: requestStop,
  });
  const forgetOwner = recordOwner(paths.run);
  const stop = async (): Promise<void> => {
    // With the port goes the control socket, so that a new gateway can start while this one finishes its answers.
    control.close();
    await drain(server, settings.drainTimeoutMs);
    forgetOwner();
    parts.shadows.stop();
    await parts.upstreams.close();
    await clients.close();
  };
  return { port, stopRequested, reload, stop };
}

function appOf(
  routing: LiveRouting,
  parts: ReturnType<typeof openParts>,
  { stages, finish, metrics }: Clients,
  port: () => number,
): Handler {
  const holds = openHolds(routing.current, Date.now);
  routing.onChange(holds.changed);
  const admission = openAdmission(() => routing.config().gateway.maxInFlight);
  return createApp({
    ...parts,
    stages,
    metrics: () => metrics(parts.upstreams.open()),
    port,
    routing: routing.current,
    onShadow: finish,
    admission: admission.limit,
    holds,
  });
}

/** What remembers something between requests, and is empty at the start. */
function openParts() {
  const breakers = openBreakers(systemClock);
  const upstreams = openUpstreams();
  return {
    upstreams,
    breakers,
    retries: openRetryBudget(),
    shadows: openShadows(),
    clock: systemClock,
    random: Math.random,
    keepOnly: (routing: Routing): void => {
      const ids = destinationIds(routing);
      upstreams.keepOnly(ids);
      breakers.keepOnly(ids);
    },
  };
}

function gatewayState(parts: ReturnType<typeof openParts>, routing: LiveRouting) {
  const { locals, upstreams, holds } = routing.current();
  return {
    routes: [...locals.values()],
    held: [...holds.keys()],
    inFlight: parts.upstreams.open(),
    breakers: parts.breakers.states(),
    upstreams: [...upstreams.values()].map(({ name, problem }) => ({ name, problem: problem ?? null })),
    configProblem: routing.problem(),
  };
}

/** @returns what removes the record again, unless a newer gateway wrote its own meanwhile */
function recordOwner(runFolder: string): () => void {
  const file = gatewayOwnerFile(runFolder);
  const record = `${JSON.stringify({ owner: currentOwner() })}\n`;
  writeFileSync(file, record, { mode: 0o600 });
  return () => {
    if (existsSync(file) && readFileSync(file, 'utf8') === record) rmSync(file);
  };
}

async function listen(server: Server, port: number): Promise<number> {
  server.listen(port, '127.0.0.1');
  try {
    await once(server, 'listening');
  } catch (error) {
    if (errorCode(error) !== 'EADDRINUSE') throw error;
    throw new MlxError('PORT_TAKEN', `Port ${port} of 127.0.0.1 is taken.`, { cause: error });
  }
  return (server.address() as AddressInfo).port;
}

/** Idle connections are closed again and again: an answer that ends leaves one behind. */
async function drain(server: Server, timeoutMs: number): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  const stopWaiting = new AbortController();
  const sweeping = (async () => {
    const deadlineMs = Date.now() + timeoutMs;
    while (!stopWaiting.signal.aborted && Date.now() < deadlineMs) {
      server.closeIdleConnections();
      await pause(20, undefined, { signal: stopWaiting.signal }).catch(() => undefined);
    }
    server.closeAllConnections();
  })();
  await closed;
  stopWaiting.abort();
  await sweeping;
}
