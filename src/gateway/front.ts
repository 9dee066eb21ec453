// Where clients' requests come in: this process alone, or several workers that share the port (gateway.workers).
import type { LocalBreakers } from './breakers.js';
import type { Clients } from './clients.js';
import type { WorkerState } from './control-api.js';
import type { AttendedServers } from './gone-servers.js';
import type { LiveRouting } from './live-routing.js';
import { drain, listen } from './listening.js';
import { serveHandler } from './node-server.js';
import { openParts, serveApp } from './parts.js';

export type Front = {
  port: number;
  /** Of this moment. */
  load: () => Promise<Load>;
  /** Resolves when no request takes the routes, keys and settings of before any more. */
  renew: () => Promise<void>;
  /** The port is free at once; resolves when open answers have ended. */
  stop: () => Promise<void>;
};

/** `inFlight`: open requests by destination. `workers`: none where one process does everything. */
export type Load = { inFlight: Record<string, number>; workers: WorkerState[] };

export type Behind = {
  /** 0 takes any free port (tests). */
  port: number;
  drainTimeoutMs: number;
  /** A line for the person who runs the gateway. */
  warn: (line: string) => void;
  routing: LiveRouting;
  clients: Clients;
  breakers: LocalBreakers;
  gone: AttendedServers;
};

/** @throws MlxError PORT_TAKEN */
export async function openOwnFront({
  port: wanted,
  drainTimeoutMs,
  routing,
  clients,
  breakers,
  gone,
}: Behind): Promise<Front> {
  const parts = openParts(breakers, gone);
  let port = wanted;
  const metrics = async (): Promise<string> => clients.metrics(parts.upstreams.open());
  const app = serveApp(parts, { routing, stages: clients.stages, finish: clients.finish, metrics, port: () => port });
  const serving = serveHandler(app, clients.finish);
  port = await listen(serving.server, wanted);
  return {
    port,
    load: async () => ({ inFlight: parts.upstreams.open(), workers: [] }),
    renew: async () => undefined,
    stop: async () => {
      await drain(serving, drainTimeoutMs);
      await parts.close();
    },
  };
}
