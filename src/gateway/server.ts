// The gateway's process: routes from the ledger into memory, one port for clients, one socket for commands.
import { once } from 'node:events';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

import type { Metering } from '../config/metering.js';
import type { Paths } from '../config/paths.js';
import type { RedactionConfig } from '../config/redaction-schema.js';
import { currentOwner } from '../engine/owner.js';
import { errorCode, MlxError } from '../errors.js';
import { openLedgerForReading } from '../ledger/open.js';
import { listRoutes } from '../ledger/promotions.js';
import { createApp } from './app.js';
import { openContent } from './content.js';
import { controlSocket, gatewayOwnerFile } from './control-api.js';
import { serveControls } from './control-server.js';
import { gatewayKey } from './key.js';
import { liveKeys } from './keys/live.js';
import { openGatewayLog } from './log.js';
import { openMetering } from './metering.js';
import { authorize } from './middleware/keys.js';
import { serveHandler } from './node-server.js';
import { routeTable, type RouteTable } from './routing.js';
import type { Stages } from './stages.js';
import { openUpstreams, type Upstreams } from './upstreams.js';

export type GatewaySettings = {
  paths: Pick<Paths, 'ledgerFile' | 'trafficFile' | 'prompts' | 'run' | 'secrets' | 'sockets'>;
  metering: Metering;
  redaction: RedactionConfig;
  /** 0 takes any free port (tests). */
  port: number;
  now: () => Date;
  drainTimeoutMs: number;
  /** A line for the person who runs the gateway. */
  warn: (line: string) => void;
};

export type RunningGateway = {
  port: number;
  /** Resolves when the gateway was told to stop, by a command. */
  stopRequested: Promise<void>;
  /** Takes no more requests, lets open answers end, then closes. */
  stop: () => Promise<void>;
};

/** @throws MlxError PORT_TAKEN */
export async function startGatewayServer(settings: GatewaySettings): Promise<RunningGateway> {
  const { paths, now } = settings;
  const upstreams = openUpstreams();
  const routes = liveRoutes(paths.ledgerFile, upstreams);
  let port = settings.port;
  const clients = openClients(settings, routes.current);
  const app = createApp({ stages: clients.stages, port: () => port, routes: routes.current, upstreams });
  const server = serveHandler(app, clients.finish);
  // Taken first: of two gateways that start at once, the one without the port must not touch the other's socket.
  port = await listen(server, settings.port);
  const startedAtMs = now().getTime();
  let requestStop = (): void => undefined;
  const stopRequested = new Promise<void>((resolve) => (requestStop = resolve));
  const control = await serveControls(controlSocket(paths.sockets), {
    state: () => ({
      pid: process.pid,
      port,
      startedAtMs,
      routes: [...routes.current().values()],
      inFlight: upstreams.open(),
      budgets: clients.budgets(),
    }),
    reload: () => {
      routes.reload();
      clients.reload();
    },
    stop: requestStop,
  });
  const forgetOwner = recordOwner(paths.run);
  const stop = async (): Promise<void> => {
    // With the port goes the control socket, so that a new gateway can start while this one finishes its answers.
    control.close();
    await drain(server, settings.drainTimeoutMs);
    forgetOwner();
    await upstreams.close();
    await clients.close();
  };
  return { port, stopRequested, stop };
}

/** Who may ask, how much, and what became of it. */
function openClients(settings: GatewaySettings, routes: () => RouteTable) {
  const { paths, now, warn, metering: limits } = settings;
  const log = openGatewayLog(join(paths.run, 'gateway.log'), now);
  const keys = liveKeys(paths.ledgerFile, gatewayKey(paths.secrets), () => metering.keysChanged());
  const metering = openMetering({
    ...{ trafficFile: paths.trafficFile, settings: limits, catalogue: undefined, ring: keys.ring, now, warn, log },
    targetsOf: (name) => [routes().get(name)].flatMap((route) => (route ? localTarget(route.model) : [])),
    urlOf: () => undefined,
  });
  const content = openContent({
    promptsFolder: paths.prompts,
    redaction: () => settings.redaction,
    routeOf: () => undefined,
  });
  const stages: Stages = {
    authorize: authorize(keys.ring, () => now().getTime()),
    ...content.stages,
    ...metering.stages,
  };
  const close = async (): Promise<void> => {
    keys.close();
    await content.close();
    await metering.close();
    await log.close();
  };
  return { stages, finish: metering.finish, reload: keys.reload, budgets: metering.budgets, close };
}

function localTarget(model: string) {
  return { upstream: 'local', model, local: true };
}

/** One table of routes in memory, swapped as a whole. */
function liveRoutes(ledgerFile: string, upstreams: Upstreams): { current: () => RouteTable; reload: () => void } {
  let table = readRoutes(ledgerFile);
  return {
    current: () => table,
    reload: () => {
      table = readRoutes(ledgerFile);
      upstreams.keepOnly(new Set([...table.values()].map((route) => route.serverId)));
    },
  };
}

function readRoutes(ledgerFile: string): RouteTable {
  const ledger = openLedgerForReading(ledgerFile);
  if (!ledger) return routeTable([]);
  try {
    return routeTable(listRoutes(ledger));
  } finally {
    ledger.close();
  }
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
