// What the gateway sees to after a reboot, or when a model server of the host engine crashed: the servers of its routes are started again.
// Containers Docker starts by itself (compose/serve.yaml). Another process does it, as `mlx serve` would be typed.
import type { Paths } from '../config/paths.js';
import { listServers } from '../engine/host/server-records.js';
import type { Ledger } from '../ledger/open.js';
import { listRoutes, openPromotions } from '../ledger/promotions.js';
import { listSplits } from '../ledger/route-splits.js';
import { lookEveryMs, lookRegularly, readLedger, runOwnCommand, type TendEdges } from './tend.js';
import { canaryAlias, drillAlias, routeName } from './targets.js';

export type ReviveEdges = TendEdges & { paths: Paths };

/** Of a route whose server was gone at a look: when it was first seen so, and what was tried. */
export type Attempts = { tried: number; nextAtMs: number };

const longestWaitMs = 600_000;

/** @returns the end of it */
export function reviveServers(edges: ReviveEdges): () => void {
  let known = new Map<string, Attempts>();
  const { look, end } = lookRegularly(async () => {
    const nowMs = edges.now().getTime();
    const gone = goneRoutes(edges);
    known = new Map(gone.map((name) => [name, known.get(name) ?? { tried: 0, nextAtMs: nowMs + 1 }]));
    for (const [name, attempts] of known) {
      if (attempts.nextAtMs > nowMs) continue;
      const { what, words } = remedy(name);
      edges.warn(`The model server of ${name} is gone; ${what}.`);
      await runOwnCommand(edges, words);
      known.set(name, afterAttempt(attempts, edges.now().getTime()));
    }
  });
  // Seen for the first time, and left to the person until the next look: a command may be at it already.
  void look();
  return end;
}

/** Who is on trial has no claim to be started again: its share goes back to the version that is live. Pure. */
export function remedy(name: string): { what: string; words: string[] } {
  return name.endsWith(`@${canaryAlias}`)
    ? { what: 'its share is taken back', words: ['releases', 'recover', '--canaries'] }
    : { what: 'it is started again', words: ['serve', name] };
}

/** One that does not come up is tried more and more seldom. Pure. */
export function afterAttempt({ tried }: Attempts, nowMs: number): Attempts {
  return { tried: tried + 1, nextAtMs: nowMs + Math.min(longestWaitMs, lookEveryMs * 2 ** tried) };
}

function goneRoutes(edges: ReviveEdges): string[] {
  const gone = readLedger(edges, 'The routes', (ledger) => {
    const running = listServers(edges.paths).filter(({ state }) => state === 'running');
    return routesWithout(ledger, new Set(running.map(({ id }) => id)));
  });
  return gone ?? [];
}

/** Routes of the host engine that lead to no running server, and that no command is at work on. A drill's belongs to its command. */
export function routesWithout(ledger: Ledger, running: ReadonlySet<string>): string[] {
  const busy = new Set(openPromotions(ledger).map(({ model }) => model));
  const stepped = new Set(listSplits(ledger).flatMap(({ candidate, owner }) => (owner === null ? [] : [candidate])));
  return listRoutes(ledger)
    .filter(({ engine, serverId, model }) => engine === 'host' && !running.has(serverId) && !busy.has(model))
    .filter(({ name, model }) => name !== routeName(model, drillAlias) && !stepped.has(name))
    .map(({ name }) => name);
}
