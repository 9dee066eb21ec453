// What the gateway sees to after a reboot, or when a model server crashed: the servers of its routes are started again. Another process
// does it, as a person would type it. Whether a container answers is asked of its socket; only that other process asks Docker about it.
import type { Paths } from '../config/paths.js';
import { answersHealth, isAbandoned } from '../engine/health.js';
import { listServers } from '../engine/host/server-records.js';
import { systemClock, type Clock } from '../gateway/clock.js';
import type { Attend, Care } from '../gateway/gone-servers.js';
import { listRoutes, type Route } from '../ledger/promotions.js';
import { afterAttempt, afterLook, afterNothing, isDue, nextAttemptMs, type KnownAttempts } from './attempts.js';
import { lookRegularly } from './looks.js';
import { isAmong, readRows, restingRoutes } from './rows.js';
import { readLedger, runOwnCommand, type TendEdges } from './tend.js';
import { isCanary } from './targets.js';

export type ReviveEdges = TendEdges & {
  paths: Paths;
  attend: Attend;
  /** The system's, unless a test holds it. */
  clock?: Clock;
  runCommand?: typeof runOwnCommand;
};

/** @returns the end of it */
export function reviveServers(edges: ReviveEdges): () => void {
  const { attend, clock = systemClock, warn, now } = edges;
  let known: KnownAttempts = new Map();
  let reports = new Set<string>();
  let ended = false;
  let callOffNext = (): void => undefined;
  const work = async (): Promise<void> => {
    const reported = reports;
    reports = new Set();
    const gone = await goneRoutes(edges, reported);
    const nowMs = now().getTime();
    known = afterLook(known, gone, reported, nowMs);
    const due = new Set(gone.filter(({ name }) => isDue(known.get(name), nowMs)));
    tell(caresOf(gone, known, due));
    for (const route of due) {
      if (ended) return;
      const after = await seeTo(edges, route, reported);
      const attempts = known.get(route.name);
      if (attempts) known = new Map(known).set(route.name, after(attempts, now().getTime()));
      due.delete(route);
      tell(caresOf(gone, known, due));
    }
    const nextAtMs = nextAttemptMs(known, gone);
    callOffNext();
    if (nextAtMs !== null && !ended) callOffNext = clock.after(Math.max(0, nextAtMs - now().getTime()), soon);
  };
  const { look, soon, end } = lookRegularly(work, warn, clock);
  const tell = attend((serverId) => {
    reports.add(serverId);
    soon();
  });
  void look();
  return () => {
    ended = true;
    callOffNext();
    end();
  };
}

/** @returns what its attempts are afterwards */
async function seeTo(edges: ReviveEdges, route: Route, reported: ReadonlySet<string>): Promise<typeof afterAttempt> {
  const { warn, runCommand = runOwnCommand } = edges;
  const { what, words } = remedy(route);
  warn(`${reported.has(route.serverId) ? 'A request found that the' : 'The'} model server of ${route.name} ${what}.`);
  const status = await runCommand(edges, words);
  const routes = readLedger(edges, 'The routes', listRoutes) ?? [];
  return status === 0 && isAmong(routes, route) ? afterNothing : afterAttempt;
}

/** Who is on trial has no claim to be started again: its share goes back to the version that is live. Pure. */
export function remedy({ name, model, engine }: Pick<Route, 'name' | 'model' | 'engine'>): {
  what: string;
  words: string[];
} {
  const seen = engine === 'docker' ? 'does not answer' : 'is gone';
  if (isCanary({ name, model }))
    return { what: `${seen}; its share is taken back`, words: ['releases', 'recover', '--canaries'] };
  // Docker may be at it already.
  if (engine === 'docker')
    return { what: `${seen}; it is started again if Docker does not`, words: ['releases', 'recover', '--servers'] };
  return { what: `${seen}; it is started again`, words: ['serve', name] };
}

/** What clients may be told: of those that are started again. Pure. */
function caresOf(gone: readonly Route[], known: KnownAttempts, due: ReadonlySet<Route>): Care[] {
  return gone.flatMap((route) => {
    const attempts = known.get(route.name);
    if (isCanary(route) || !attempts) return [];
    return [{ serverId: route.serverId, nextAtMs: due.has(route) ? null : attempts.nextAtMs }];
  });
}

/**
 * A process that ended, or a container whose socket nobody answers at. Of a process that a request told of it is enough that nobody
 * listens any more: it may be just ending.
 */
export async function goneRoutes(
  edges: Pick<ReviveEdges, 'paths' | 'warn'>,
  reported: ReadonlySet<string> = new Set(),
): Promise<Route[]> {
  const routes = readLedger(edges, 'The routes', (ledger) => restingRoutes(readRows(ledger))) ?? [];
  const running = new Set(listServers(edges.paths).flatMap(({ id, state }) => (state === 'running' ? [id] : [])));
  const gone = routes.map(async (route) => ((await isGone(route, running, reported)) ? [route] : []));
  return (await Promise.all(gone)).flat();
}

async function isGone(
  { engine, serverId, address }: Route,
  running: ReadonlySet<string>,
  reported: ReadonlySet<string>,
): Promise<boolean> {
  if (engine === 'docker') return !(await answersHealth(address));
  return !running.has(serverId) || (reported.has(serverId) && (await isAbandoned(address)));
}
