// The edges that a command may use, opened on first use: `mlx --help` must not open a database,
// and `mlx runs ls` must not parse YAML.
import { homePaths, findPaths, type HomePaths, type Paths } from './config/paths.js';
import type { Config } from './config/schema.js';
import type { Engine, EngineKind } from './engine/engine.js';
import { exitStatus, type ExitStatus } from './errors.js';
import type { Ledger } from './ledger/open.js';
import type { Output } from './output/output.js';

export type GlobalFlags = {
  yes: boolean;
  dryRun: boolean;
  engine: EngineKind | undefined;
  project: string | undefined;
};

export type Context = {
  flags: GlobalFlags;
  environment: NodeJS.ProcessEnv;
  workingDirectory: string;
  output: Output;
  now: () => Date;
  /** Aborted by the first Ctrl-C or SIGTERM. */
  signal: AbortSignal;
  home: HomePaths;
  /** @throws MlxError PROJECT_NOT_FOUND outside a project */
  paths: () => Paths;
  /** mlx.yaml, parsed and validated. */
  config: () => Promise<Config>;
  /** Give `kind` when a thing was made by one engine and must go back to it, whatever is configured today. */
  engine: (kind?: EngineKind) => Promise<Engine>;
  ledger: () => Promise<Ledger>;
  close: () => void;
};

/** By Ctrl-C or SIGTERM, and not because nobody reads any more (`mlx logs -f | head`). */
export function isInterrupted({ reason }: AbortSignal): boolean {
  return reason === 'SIGINT' || reason === 'SIGTERM';
}

/** Of a command that looks on until Ctrl-C. */
export function followStatus(signal: AbortSignal): ExitStatus {
  return isInterrupted(signal) ? exitStatus.interrupted : exitStatus.ok;
}

export type Edges = {
  flags: GlobalFlags;
  environment: NodeJS.ProcessEnv;
  workingDirectory: string;
  output: Output;
  signal: AbortSignal;
};

export function openContext(edges: Edges): Context {
  const { flags, environment, workingDirectory } = edges;
  const engines = new Map<EngineKind | undefined, Promise<Engine>>();
  let ledger: Promise<Ledger> | undefined;
  let config: Promise<Config> | undefined;
  let opened: Ledger | undefined;

  const context: Context = {
    ...edges,
    now: () => new Date(),
    home: homePaths(environment),
    paths: () => findPaths(flags.project ?? environment['MLX_PROJECT'] ?? workingDirectory, environment),
    config: () =>
      (config ??= import('./config/load.js').then(({ loadConfig }) => loadConfig(context.paths(), environment))),
    engine: (kind) => {
      const wanted =
        engines.get(kind) ?? import('./engine/open.js').then(({ openEngine }) => openEngine(context, kind));
      engines.set(kind, wanted);
      return wanted;
    },
    ledger: () =>
      (ledger ??= import('./ledger/open.js').then(({ openLedger }) => {
        opened = openLedger(context.paths().ledgerFile);
        return opened;
      })),
    close: () => opened?.close(),
  };
  return context;
}
