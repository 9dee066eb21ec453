// The primary's side of one worker: what it asks is done here, where there is only one of it, and what it leaves behind when it
// ends is put away.
import type { Verdict } from '../breaker.js';
import type { EndCall } from '../breakers.js';
import type { Clients } from '../clients.js';
import type { GoneServers } from '../gone-servers.js';
import type { Ticket } from '../tickets.js';
import type { FinishedReport, PrimaryCalls, Probe } from './calls.js';
import type { SharedBreakers } from './shared-breakers.js';

export type DeskEdges = {
  clients: Pick<Clients, 'counting' | 'finish'>;
  breakers: SharedBreakers;
  gone: Pick<GoneServers, 'report'>;
  metrics: () => Promise<string>;
};

export type Desk = {
  calls: Omit<PrimaryCalls, 'hello' | 'listening' | 'cannotListen'>;
  /** The worker is gone: its promises are given back, its probes called off. */
  clear: () => void;
};

export function openDesk({ clients, breakers, gone, metrics }: DeskEdges): Desk {
  const { keeper, beginBusy } = clients.counting;
  const reserved = new Set<number>();
  const busy = new Map<string, () => number>();
  const probes = openProbes(breakers);
  const endBusy = (requestId: string): number | undefined => {
    const end = busy.get(requestId);
    busy.delete(requestId);
    return end?.();
  };
  return {
    calls: {
      reserve: async ({ accounts, estimate }) => {
        const answer = await keeper.reserve(accounts, estimate);
        if ('id' in answer) reserved.add(answer.id);
        return answer;
      },
      busy: ({ requestId, server }) => void busy.set(requestId, beginBusy({ id: requestId }, server)),
      idle: (requestId) => void endBusy(requestId),
      finished: (report) => {
        if (report.reservationId !== undefined) reserved.delete(report.reservationId);
        clients.finish(finishedFrom(report, () => endBusy(report.request.id)));
      },
      verdict: ({ id, verdict }) => breakers.count(id, verdict),
      ...{ probe: probes.begin, probed: probes.end, gone: gone.report, metrics },
    },
    clear: () => {
      for (const id of reserved) keeper.release(id);
      for (const end of busy.values()) end();
      probes.clear();
      for (const kept of [reserved, busy]) kept.clear();
    },
  };
}

function openProbes(breakers: SharedBreakers) {
  const open = new Map<number, EndCall>();
  let last = 0;
  return {
    begin: (id: string): Probe | undefined => {
      const end = breakers.begin(id);
      if (!end) return undefined;
      open.set((last += 1), end);
      return { probe: last };
    },
    end: ({ probe, verdict }: Probe & { verdict: Verdict }): void => {
      open.get(probe)?.(verdict);
      open.delete(probe);
    },
    clear: (): void => {
      for (const end of open.values()) end('cancelled');
      open.clear();
    },
  };
}

/** As if the request had been answered here. */
function finishedFrom(report: FinishedReport, endBusy: () => number | undefined) {
  const { request, status, durationMs, end, reservationId, bodyBytes, facts, outputTokens, taken } = report;
  const busyMs = endBusy();
  const ticket: Ticket = {
    ...{ reservationId, bodyBytes, taken },
    facts: facts && (() => facts),
    outputTokens: () => outputTokens,
    endBusy: busyMs === undefined ? undefined : () => busyMs,
  };
  return { status, durationMs, end, request: { ...request, trace: { ...request.trace, ticket } } };
}
