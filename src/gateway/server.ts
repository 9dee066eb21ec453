// The gateway's process: routes from the ledger into memory, one port for clients, one socket for commands.
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';

import type { Paths } from '../config/paths.js';
import { currentOwner } from '../engine/owner.js';
import { errorMessage } from '../errors.js';
import { openBreakers } from './breakers.js';
import { openClients } from './clients.js';
import { systemClock } from './clock.js';
import { controlSocket, gatewayOwnerFile, type GatewayRows, type GatewayState } from './control-api.js';
import { serveControls } from './control-server.js';
import { openAttendedServers, type Attend } from './gone-servers.js';
import { openOwnFront, type Behind, type Front } from './front.js';
import { liveRouting, type GatewayConfig, type LiveRouting } from './live-routing.js';

export type GatewaySettings = {
  paths: Pick<
    Paths,
    'ledgerFile' | 'configFile' | 'trafficFile' | 'captures' | 'prompts' | 'run' | 'secrets' | 'sockets'
  >;
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
  /** A line for the person, on the terminal and in .mlx/run/gateway.log. */
  note: (line: string) => void;
  /** For whoever looks after model servers: what requests found nobody at. */
  attend: Attend;
  /** Reads routes and mlx.yaml anew. */
  reload: () => Promise<void>;
  /** Takes no more requests, lets open answers end, then closes. */
  stop: () => Promise<void>;
};

/** @throws MlxError PORT_TAKEN, CONFIG_INVALID */
export async function startGatewayServer(settings: GatewaySettings, open = openClients): Promise<RunningGateway> {
  const { paths, now } = settings;
  const breakers = openBreakers(systemClock);
  const routing = await liveRouting(settings);
  const clients = await open(settings, routing);
  const behind = { ...settings, routing, clients, breakers, gone: openAttendedServers(Date.now) };
  // Taken before the socket: of two gateways that start at once, the one without the port must not touch the other's socket.
  const front = await openFront(behind);
  const startedAtMs = now().getTime();
  const reload = async (): Promise<void> => {
    await routing.reload();
    await clients.reload();
    await front.renew();
  };
  /** A switch waits for its row alone: an mlx.yaml that was edited is read afterwards. */
  const readRows = async (): Promise<GatewayRows> => {
    routing.readRows();
    await front.renew();
    if (routing.isEdited())
      reload().catch((error: unknown) => settings.warn(`mlx.yaml was not read: ${errorMessage(error)}`));
    return rowsOf(routing);
  };
  let requestStop = (): void => undefined;
  const stopRequested = new Promise<void>((resolve) => (requestStop = resolve));
  const control = await serveControls(controlSocket(paths.sockets), {
    state: async () => ({ startedAtMs, ...(await stateOf(front, behind)) }),
    metrics: async () => clients.metrics((await front.load()).inFlight),
    ...{ readRows, reload },
    stop: requestStop,
  });
  const forgetOwner = recordOwner(paths.run);
  const stop = async (): Promise<void> => {
    // With the port goes the control socket, so that a new gateway can start while this one finishes its answers.
    control.close();
    await front.stop();
    forgetOwner();
    await clients.close();
  };
  return { port: front.port, stopRequested, note: noteTo(settings, clients), attend: behind.gone.attend, reload, stop };
}

function noteTo({ warn }: GatewaySettings, { log }: Behind['clients']): (line: string) => void {
  return (line) => {
    warn(line);
    log('note', { line });
  };
}

async function openFront(behind: Behind): Promise<Front> {
  if (behind.routing.config().gateway.workers === 1) return openOwnFront(behind);
  const { openWorkersFront } = await import('./workers/workers-front.js');
  return openWorkersFront(behind);
}

async function stateOf(
  front: Front,
  { routing, clients, breakers, gone }: Behind,
): Promise<Omit<GatewayState, 'startedAtMs'>> {
  const { inFlight, workers } = await front.load();
  const { upstreams } = routing.current();
  return {
    pid: process.pid,
    port: front.port,
    workers,
    ...rowsOf(routing),
    inFlight,
    budgets: clients.budgets(),
    breakers: breakers.states(),
    cares: gone.cares()?.slice() ?? null,
    upstreams: [...upstreams.values()].map(({ name, problem }) => ({ name, problem: problem ?? null })),
    configProblem: routing.problem(),
  };
}

function rowsOf(routing: LiveRouting): GatewayRows {
  const { locals, holds, splits } = routing.current();
  return {
    routes: [...locals.values()],
    held: [...holds.keys()],
    splits: splits.map(({ name, candidate, percent }) => ({ name, candidate, percent })),
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
