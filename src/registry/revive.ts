// What the gateway sees to after a reboot, or when a model server crashed: the servers of its routes are started again. Another process
// does it, as a person would type it. Whether a container answers is asked of its socket; only that other process asks Docker about it.
import type { Paths } from '../config/paths.js';
import { answersHealth } from '../engine/health.js';
import { listServers } from '../engine/host/server-records.js';
import type { Route } from '../ledger/promotions.js';
import { restingRoutes } from './lost-servers.js';
import { lookEveryMs, lookRegularly, readLedger, runOwnCommand, type TendEdges } from './tend.js';
import { canaryAlias, routeName } from './targets.js';

export type ReviveEdges = TendEdges & { paths: Paths };

/** Of a route whose server was gone at a look: when it was first seen so, and what was tried. */
export type Attempts = { tried: number; nextAtMs: number };

const longestWaitMs = 600_000;

/** @returns the end of it */
export function reviveServers(edges: ReviveEdges): () => void {
  let known = new Map<string, Attempts>();
  const { look, end } = lookRegularly(async () => {
    const nowMs = edges.now().getTime();
    const gone = await goneRoutes(edges);
    known = new Map(gone.map(({ name }) => [name, known.get(name) ?? { tried: 0, nextAtMs: nowMs + 1 }]));
    for (const route of gone) {
      const attempts = known.get(route.name);
      if (!attempts || attempts.nextAtMs > nowMs) continue;
      const { what, words } = remedy(route);
      edges.warn(`The model server of ${route.name} ${what}.`);
      await runOwnCommand(edges, words);
      known.set(route.name, afterAttempt(attempts, edges.now().getTime()));
    }
  });
  // Seen for the first time, and left to the person until the next look: a command may be at it already.
  void look();
  return end;
}

/** Who is on trial has no claim to be started again: its share goes back to the version that is live. Pure. */
export function remedy({ name, model, engine }: Pick<Route, 'name' | 'model' | 'engine'>): {
  what: string;
  words: string[];
} {
  const seen = engine === 'docker' ? 'does not answer' : 'is gone';
  if (name === routeName(model, canaryAlias))
    return { what: `${seen}; its share is taken back`, words: ['releases', 'recover', '--canaries'] };
  // Docker may be at it already.
  if (engine === 'docker')
    return { what: `${seen}; it is started again if Docker does not`, words: ['releases', 'recover', '--servers'] };
  return { what: `${seen}; it is started again`, words: ['serve', name] };
}

/** One that does not come up is tried more and more seldom. Pure. */
export function afterAttempt({ tried }: Attempts, nowMs: number): Attempts {
  return { tried: tried + 1, nextAtMs: nowMs + Math.min(longestWaitMs, lookEveryMs * 2 ** tried) };
}

/** A process that ended, or a container whose socket nobody answers at. */
export async function goneRoutes(edges: Pick<ReviveEdges, 'paths' | 'warn'>): Promise<Route[]> {
  const routes = readLedger(edges, 'The routes', restingRoutes) ?? [];
  const running = new Set(listServers(edges.paths).flatMap(({ id, state }) => (state === 'running' ? [id] : [])));
  const gone = routes.map(async (route) => {
    const { engine, serverId, address } = route;
    const alive = engine === 'host' ? running.has(serverId) : await answersHealth(address);
    return alive ? [] : [route];
  });
  return (await Promise.all(gone)).flat();
}
