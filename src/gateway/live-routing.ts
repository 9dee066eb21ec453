// The routing of the running gateway: the ledger's rows and mlx.yaml, read at the start and again when a command says so.
import { statSync } from 'node:fs';

import type { Paths } from '../config/paths.js';
import type { Config } from '../config/schema.js';
import { MlxError, type Problem } from '../errors.js';
import { openLedgerForReading } from '../ledger/open.js';
import { listRoutes } from '../ledger/promotions.js';
import { listHolds, type RouteHold } from '../ledger/route-holds.js';
import { listSplits, type RouteSplit } from '../ledger/route-splits.js';
import { windowOf } from '../ledger/versions.js';
import { buildRouting, type LocalRoute, type Routing } from './routing.js';
import { readUpstreamKeys } from './upstream-keys.js';

export type GatewayConfig = Pick<Config, 'gateway' | 'upstreams' | 'routes'>;

export type ConfigProblem = { message: string; problems: Problem[] };

export type LiveRouting = {
  current: () => Routing;
  config: () => GatewayConfig;
  /** Why the mlx.yaml that lies there now is not the one in use. */
  problem: () => ConfigProblem | null;
  /** The ledger's routes, holds and shares alone; they count when it returns. */
  readRows: () => void;
  /** mlx.yaml as well; a wrong one is refused, and the one before stays. */
  reload: () => Promise<void>;
  /** Whether another mlx.yaml lies there than the one that was read last. */
  isEdited: () => boolean;
  /** `listener` is called after each change. */
  onChange: (listener: () => void) => void;
};

export type RoutingSources = {
  paths: Pick<Paths, 'ledgerFile' | 'configFile'>;
  readConfig: () => Promise<GatewayConfig>;
  environment: NodeJS.ProcessEnv;
};

/** @throws MlxError CONFIG_INVALID: a gateway does not start with a wrong file */
export async function liveRouting(sources: RoutingSources): Promise<LiveRouting> {
  const { ledgerFile, configFile } = sources.paths;
  let read = fileStamp(configFile);
  let config = await sources.readConfig();
  let keyed = withKeys(sources, config);
  let problem: ConfigProblem | null = null;
  let routing = build(keyed, ledgerFile);
  let reloads: Promise<void> = Promise.resolve();
  const listeners: (() => void)[] = [];
  const readRows = (): void => {
    routing = build(keyed, ledgerFile);
    for (const listener of listeners) listener();
  };
  const reload = async (): Promise<void> => {
    read = fileStamp(configFile);
    try {
      config = await sources.readConfig();
      problem = null;
    } catch (error) {
      if (!(error instanceof MlxError)) throw error;
      problem = { message: error.message, problems: error.problems };
    }
    keyed = withKeys(sources, config);
    readRows();
  };
  return {
    current: () => routing,
    config: () => config,
    problem: () => problem,
    onChange: (listener) => void listeners.push(listener),
    readRows,
    // One after the other: the file that was read last must be the one that stays.
    reload: () => {
      readRows();
      return (reloads = reloads.then(reload, reload));
    },
    isEdited: () => fileStamp(configFile) !== read,
  };
}

type KeyedConfig = Parameters<typeof buildRouting>[0];

function withKeys({ environment }: RoutingSources, { upstreams, routes }: GatewayConfig): KeyedConfig {
  return { routes, upstreams: readUpstreamKeys(upstreams, environment) };
}

/** An editor writes the file in place, or puts another one there. */
function fileStamp(file: string): string {
  const found = statSync(file, { throwIfNoEntry: false });
  return found ? `${found.ino}:${found.size}:${found.mtimeMs}` : 'none';
}

function build(keyed: KeyedConfig, ledgerFile: string): Routing {
  const { routes, holds, splits } = readLedgerRows(ledgerFile);
  return buildRouting(keyed, routes, holds, splits);
}

function readLedgerRows(ledgerFile: string): { routes: LocalRoute[]; holds: RouteHold[]; splits: RouteSplit[] } {
  const ledger = openLedgerForReading(ledgerFile);
  if (!ledger) return { routes: [], holds: [], splits: [] };
  try {
    const routes = listRoutes(ledger).map((route) => ({ ...route, windowTokens: windowOf(ledger, route) }));
    return { routes, holds: listHolds(ledger), splits: listSplits(ledger) };
  } finally {
    ledger.close();
  }
}
