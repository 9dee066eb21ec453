// The routing as the running gateway has it, or would have it, for commands that explain it: configuration, the ledger's rows,
// and what the gateway says of its upstreams.
import type { Config } from '../config/schema.js';
import type { Route } from '../ledger/promotions.js';
import type { RouteSplit } from '../ledger/route-splits.js';
import type { GatewayState } from './control-api.js';
import type { Situation } from './plan.js';
import { buildRouting, type KeyedUpstream, type Routing } from './routing.js';
import { readUpstreamKeys } from './upstream-keys.js';

export function routingFor(
  config: Pick<Config, 'routes' | 'upstreams'>,
  rows: { routes: readonly Route[]; splits: readonly RouteSplit[] },
  state: GatewayState | undefined,
  environment: NodeJS.ProcessEnv,
): Routing {
  const upstreams = readUpstreamKeys(config.upstreams, environment).map((upstream) => asSeen(upstream, state));
  return buildRouting({ routes: config.routes, upstreams }, rows.routes, [], rows.splits);
}

/** The keys that count are those in the gateway's environment, not in this command's. */
function asSeen({ problem, ...upstream }: KeyedUpstream, state: GatewayState | undefined): KeyedUpstream {
  const seen = state?.upstreams.find(({ name }) => name === upstream.name);
  const told = seen ? seen.problem : (problem ?? null);
  return told === null ? upstream : { ...upstream, problem: told };
}

/** An open breaker counts as closed for the moment that it was asked about. */
export function situationFor(state: GatewayState | undefined, canaryDraw: number): Situation {
  return {
    breakerOf: (id) => state?.breakers[id] ?? 'closed',
    closedForMs: () => 1,
    canaryDraw,
    shadowDraw: 0,
  };
}
