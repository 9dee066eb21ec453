// What a request cost on a machine that one owns: its share of the time that the model server was busy. Two requests at a
// time on one server pay half of each second, so that all of them together never pay more than the machine costs.

export type BusyClock = {
  /** @returns what ends it: the share in milliseconds */
  begin: (serverId: string, nowMs: number) => (nowMs: number) => number;
};

type Server = { running: number; sharedMs: number; atMs: number };

export function openBusyClock(): BusyClock {
  const servers = new Map<string, Server>();
  return {
    begin: (serverId, nowMs) => {
      const server = servers.get(serverId) ?? { running: 0, sharedMs: 0, atMs: nowMs };
      servers.set(serverId, server);
      advance(server, nowMs);
      server.running += 1;
      const fromMs = server.sharedMs;
      return (endMs) => {
        advance(server, endMs);
        server.running -= 1;
        if (server.running === 0) servers.delete(serverId);
        return server.sharedMs - fromMs;
      };
    },
  };
}

export function hardwareCostUsd(usdPerHour: number, busyMs: number): number {
  return (usdPerHour * busyMs) / 3_600_000;
}

/** `sharedMs` is the time that each of the running requests has paid for. */
function advance(server: Server, nowMs: number): void {
  if (server.running > 0) server.sharedMs += (nowMs - server.atMs) / server.running;
  server.atMs = nowMs;
}
