// The routing of the running gateway: the ledger's rows and mlx.yaml, read at the start and again when a command says so.
import type { Config } from '../config/schema.js';
import { MlxError, type Problem } from '../errors.js';
import { openLedgerForReading } from '../ledger/open.js';
import { listRoutes, type Route } from '../ledger/promotions.js';
import { listHolds, type RouteHold } from '../ledger/route-holds.js';
import { listSplits, type RouteSplit } from '../ledger/route-splits.js';
import { buildRouting, type Routing } from './routing.js';
import { readUpstreamKeys } from './upstream-keys.js';

export type GatewayConfig = Pick<Config, 'gateway' | 'upstreams' | 'routes'>;

export type ConfigProblem = { message: string; problems: Problem[] };

export type LiveRouting = {
  current: () => Routing;
  config: () => GatewayConfig;
  /** Why the mlx.yaml that lies there now is not the one in use. */
  problem: () => ConfigProblem | null;
  /** The ledger's rows count at once; a wrong mlx.yaml is refused, and the one before stays. */
  reload: () => Promise<void>;
  /** `listener` is called after each change. */
  onChange: (listener: () => void) => void;
};

export type RoutingSources = {
  ledgerFile: string;
  readConfig: () => Promise<GatewayConfig>;
  environment: NodeJS.ProcessEnv;
};

/** @throws MlxError CONFIG_INVALID: a gateway does not start with a wrong file */
export async function liveRouting(sources: RoutingSources): Promise<LiveRouting> {
  let config = await sources.readConfig();
  let problem: ConfigProblem | null = null;
  let routing = build(sources, config);
  let reloads: Promise<void> = Promise.resolve();
  const listeners: (() => void)[] = [];
  const use = (next: GatewayConfig): void => {
    config = next;
    routing = build(sources, config);
    for (const listener of listeners) listener();
  };
  const reload = async (): Promise<void> => {
    use(config);
    try {
      use(await sources.readConfig());
      problem = null;
    } catch (error) {
      if (!(error instanceof MlxError)) throw error;
      problem = { message: error.message, problems: error.problems };
    }
  };
  return {
    current: () => routing,
    config: () => config,
    problem: () => problem,
    onChange: (listener) => void listeners.push(listener),
    // One after the other: the file that was read last must be the one that stays.
    reload: () => (reloads = reloads.then(reload, reload)),
  };
}

function build({ ledgerFile, environment }: RoutingSources, { upstreams, routes }: GatewayConfig): Routing {
  const rows = readRows(ledgerFile);
  return buildRouting(
    { routes, upstreams: readUpstreamKeys(upstreams, environment) },
    rows.routes,
    rows.holds,
    rows.splits,
  );
}

function readRows(ledgerFile: string): { routes: Route[]; holds: RouteHold[]; splits: RouteSplit[] } {
  const ledger = openLedgerForReading(ledgerFile);
  if (!ledger) return { routes: [], holds: [], splits: [] };
  try {
    return { routes: listRoutes(ledger), holds: listHolds(ledger), splits: listSplits(ledger) };
  } finally {
    ledger.close();
  }
}
