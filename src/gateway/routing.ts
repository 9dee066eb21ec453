// Every route, upstream and model server of this moment, as one value that is swapped as a whole. Pure.
import type { RouteConfig, Target } from '../config/route-schema.js';
import { ownRoute } from '../config/route-schema.js';
import type { Rewrite } from '../config/rewrite-schema.js';
import { localUpstream, type Upstream } from '../config/upstream-schema.js';
import { parseAddress } from '../engine/address.js';
import type { Route } from '../ledger/promotions.js';
import type { RouteHold } from '../ledger/route-holds.js';
import type { RouteSplit } from '../ledger/route-splits.js';
import type { Dialect } from './exchange.js';

/** An upstream with its key read; `problem` says why it cannot be asked. */
export type KeyedUpstream = Upstream & { secret?: string; problem?: string };

export type Routing = {
  /** By the name that clients send. Those of mlx.yaml, and every model server's own. */
  routes: ReadonlyMap<string, RouteConfig & { updatedAtMs: number }>;
  /** The ledger's rows: `tickets` (production), `tickets@staging`. */
  locals: ReadonlyMap<string, LocalRoute>;
  upstreams: ReadonlyMap<string, KeyedUpstream>;
  /** Model servers' names whose requests wait, and until when at most. */
  holds: ReadonlyMap<string, number>;
  /** Shares of promotions that are stepped up. */
  splits: readonly RouteSplit[];
  /** Targets of the routes, looked up beforehand: a request finds its destinations ready. */
  resolved: ReadonlyMap<Target, Destination | string>;
  /** By the name of a route, every upstream that could answer it: whatever a request for it may cost. */
  reachable: ReadonlyMap<string, readonly Reachable[]>;
};

/** With what its server takes at most, prompt and answer together. */
export type LocalRoute = Route & { windowTokens?: number | undefined };

/** `windowTokens`: of a model server of ours, where it is known. */
export type Reachable = { upstream: string; model: string; local: boolean; windowTokens?: number };

/** Where an attempt goes: all that sending needs, and nothing that has to be looked up again. */
export type Destination = {
  target: Target;
  /** Of its breaker and its open requests: the name of the upstream, or the model server's id. */
  id: string;
  dialect: Dialect;
  /** The name that the upstream knows. */
  model: string;
  /** Of a version that shares its model server with another one: what it answers to there, instead of `model`. */
  servedName?: string;
  /** On this machine: may take private requests. */
  local: boolean;
  origin: string;
  socketPath: string | null;
  /** Before the dialect's own paths: `/v1` for OpenAI's, empty for Anthropic's. */
  basePath: string;
  secret: string | undefined;
  rewrite: Rewrite | undefined;
  /** Of a model version of ours. */
  version?: string;
  digest?: string;
};

export function buildRouting(
  config: { routes: readonly RouteConfig[]; upstreams: readonly KeyedUpstream[] },
  rows: readonly LocalRoute[],
  holds: readonly RouteHold[] = [],
  splits: readonly RouteSplit[] = [],
): Routing {
  const own = rows.map(({ name, updatedAtMs }) => ({ ...ownRoute(name), updatedAtMs }));
  const configured = config.routes.map((route) => ({ ...route, updatedAtMs: 0 }));
  const divided = [...own, ...configured].map((route) => dividedRoute(route, splits));
  const routing: Routing = {
    routes: new Map(divided.map((route) => [route.name, route])),
    locals: new Map(rows.map((row) => [row.name, row])),
    upstreams: new Map(config.upstreams.map((upstream) => [upstream.name, upstream])),
    holds: new Map(holds.map(({ name, untilMs }) => [name, untilMs])),
    splits,
    resolved: new Map(),
    reachable: new Map(),
  };
  const all = [...routing.routes.values()];
  const resolved = new Map(all.flatMap(targetsOf).map((target) => [target, resolveTarget(routing, target)]));
  const known = { ...routing, resolved };
  return { ...known, reachable: new Map(all.map((route) => [route.name, reachableFrom(known, route)])) };
}

/** A promotion's canary or shadow, for every route that asks this model server first; one that mlx.yaml has already stays. */
function dividedRoute<Divided extends RouteConfig>(route: Divided, splits: readonly RouteSplit[]): Divided {
  const { primary } = route;
  const split = splits.find(({ name }) => primary.upstream === localUpstream && primary.model === name);
  if (!split || route[split.kind]) return route;
  const { kind, candidate, percent, sticky } = split;
  const target = { upstream: localUpstream, model: candidate };
  return { ...route, [kind]: kind === 'canary' ? { target, percent, sticky } : { target, percent } };
}

/** @returns why it cannot be asked, in words */
export function resolveTarget(routing: Routing, target: Target): Destination | string {
  const known = routing.resolved.get(target);
  if (known !== undefined) return known;
  return target.upstream === localUpstream ? resolveLocal(routing, target) : resolveRemote(routing, target);
}

function reachableFrom(routing: Routing, route: RouteConfig): Reachable[] {
  return targetsOf(route).flatMap((target) => {
    const destination = resolveTarget(routing, target);
    if (typeof destination === 'string') return [];
    const { model, local } = destination;
    const window = target.upstream === localUpstream ? routing.locals.get(target.model)?.windowTokens : undefined;
    return [{ upstream: target.upstream, model, local, ...(window === undefined ? {} : { windowTokens: window }) }];
  });
}

function targetsOf({ primary, fallback, canary, shadow }: RouteConfig): Target[] {
  return [primary, ...fallback, ...(canary ? [canary.target] : []), ...(shadow ? [shadow.target] : [])];
}

function resolveLocal({ locals }: Routing, target: Target): Destination | string {
  const row = locals.get(target.model);
  if (!row) return `no model server runs for ${target.model}: mlx serve ${target.model}`;
  return {
    target,
    id: row.serverId,
    dialect: 'openai',
    model: row.model,
    local: true,
    ...parseAddress(row.address),
    basePath: '/v1',
    secret: undefined,
    rewrite: undefined,
    version: `${row.model}:${row.version}`,
    digest: row.digest,
    ...(row.servedName && row.servedName !== row.model ? { servedName: row.servedName } : {}),
  };
}

function resolveRemote({ upstreams }: Routing, target: Target): Destination | string {
  const upstream = upstreams.get(target.upstream);
  if (!upstream) return `there is no upstream ${target.upstream} in mlx.yaml`;
  if (upstream.problem !== undefined) return upstream.problem;
  const { origin, pathname } = new URL(upstream.url);
  return {
    target,
    id: upstream.name,
    dialect: upstream.dialect,
    model: target.model,
    local: upstream.local,
    origin,
    socketPath: null,
    basePath: pathname.replace(/\/+$/, ''),
    secret: upstream.secret,
    rewrite: upstream.rewrite,
  };
}

/** Those that nothing names any more lose their connections and breakers. */
export function destinationIds({ locals, upstreams }: Routing): Set<string> {
  return new Set([...[...locals.values()].map(({ serverId }) => serverId), ...upstreams.keys()]);
}
