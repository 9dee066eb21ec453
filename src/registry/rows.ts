// The rows that say what is served and who is at work on it, as one value: what is due, and what is at rest, follows from it.
import { ownerIsAlive } from '../engine/owner.js';
import type { Ledger } from '../ledger/open.js';
import { openSteps } from '../ledger/promotion-steps.js';
import { listRoutes, openPromotions, type Route } from '../ledger/promotions.js';
import { listSplits, type RouteSplit } from '../ledger/route-splits.js';
import { listWarmServers, type WarmServer } from '../ledger/warm-servers.js';
import { isCanary, isDrill, routeName } from './targets.js';
import { watchSubject } from './watch-subject.js';

export type Rows = {
  routes: readonly Route[];
  splits: readonly RouteSplit[];
  warm: readonly WarmServer[];
  /** Models with a promotion that has not ended, whoever has it. */
  busy: ReadonlySet<string>;
  /** Routes whose version a command watches. */
  watched: ReadonlySet<string>;
};

/** All of one moment: of a promotion that switches and ends meanwhile, both are seen or neither, else its server would be an orphan. */
export function readRows(ledger: Ledger): Rows {
  return ledger.database.transaction(() => {
    const watches = openSteps(ledger, 'watch').filter((step) => ownerIsAlive(watchSubject(step).owner));
    return {
      routes: listRoutes(ledger),
      splits: listSplits(ledger),
      warm: listWarmServers(ledger),
      busy: new Set(openPromotions(ledger).map(({ model }) => model)),
      watched: new Set(watches.map(({ model, alias }) => routeName(model, alias))),
    };
  })();
}

/**
 * Those that no command is at work on. A drill's belongs to its command, and so does a share that is stepped; and whoever watches a version
 * takes it back when it dies: started again, it would be in the way. Pure.
 */
export function restingRoutes({ routes, splits, busy, watched }: Rows): Route[] {
  const stepped = new Set(splits.flatMap(({ candidate, owner }) => (owner === null ? [] : [candidate])));
  return routes.filter(
    (route) => !busy.has(route.model) && !isDrill(route) && !stepped.has(route.name) && !watched.has(route.name),
  );
}

/** At rest. A canary's has no claim to be started again. Pure. */
export function restartableRoutes(rows: Rows): Route[] {
  return restingRoutes(rows).filter((route) => !isCanary(route));
}

/** Of canaries that nobody steps, and whose model nobody is at work on. Pure. */
export function standingCanaries({ routes, splits, busy }: Rows): Route[] {
  const stepped = new Set(splits.flatMap(({ name, owner }) => (owner === null ? [] : [name])));
  return routes.filter((route) => isCanary(route) && !busy.has(route.model) && !stepped.has(route.model));
}

/** Since it was found, nobody has changed it. Pure. */
export function isAmong(routes: readonly Route[], { name, serverId }: Route): boolean {
  return routes.some((route) => route.name === name && route.serverId === serverId);
}

/** Models whose rehearsal was interrupted. Pure. */
export function dueDrills({ routes, busy }: Rows): string[] {
  return routes.filter((route) => isDrill(route) && !busy.has(route.model)).map(({ model }) => model);
}

/** Models whose canary nobody steps and nobody left standing, or whose candidate is live by now. */
export function dueCanaries({ routes, splits, busy }: Rows): string[] {
  const digestOf = (route: string): string | undefined => routes.find(({ name }) => name === route)?.digest;
  const over = splits.filter(({ name, candidate, owner }) => {
    if (owner !== null) return !ownerIsAlive(owner);
    const shared = digestOf(candidate);
    return shared === undefined || digestOf(name) === shared;
  });
  const divided = new Set(splits.map(({ name }) => name));
  const undivided = routes.filter((route) => isCanary(route) && !divided.has(route.model));
  const due = new Set([...over.map(({ name }) => name), ...undivided.map(({ model }) => model)]);
  return [...due].filter((model) => !busy.has(model));
}

/** Kept warm for long enough. Pure. */
export function expired({ warm }: Pick<Rows, 'warm'>, nowMs: number): WarmServer[] {
  return warm.filter(({ untilMs }) => untilMs <= nowMs);
}

/** By their ids: a route leads there, or it is kept warm. Pure. */
export function usedServers({ routes, warm }: Pick<Rows, 'routes' | 'warm'>): ReadonlySet<string> {
  return new Set([...routes, ...warm].map(({ serverId }) => serverId));
}
