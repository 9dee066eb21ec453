// Starts the stack's services, each once, and waits until they are healthy.
import type { Paths } from '../config/paths.js';
import type { Config } from '../config/schema.js';
import type { OnProgress, ServiceState } from '../engine/engine.js';
import { stackServices, type StackEngine } from './services.js';

export type UpEdges = {
  engine: StackEngine;
  config: Config;
  paths: Paths;
  environment: NodeJS.ProcessEnv;
  onProgress: OnProgress;
  signal: AbortSignal;
};

export type UpReport = {
  engine: string;
  services: ServiceState[];
  /** Left out, and why. */
  skipped: { name: string; reason: string }[];
};

/** Idempotent. @throws MlxError PORT_TAKEN, SERVICE_UNHEALTHY, and what preparing a runtime throws */
export async function startStack(edges: UpEdges): Promise<UpReport> {
  const { engine, config, paths, onProgress, signal } = edges;
  const { wanted, skipped } = planStack(config, edges.environment);
  const services: ServiceState[] = [];
  for (const service of wanted) {
    services.push(await engine.startService(service.spec(config, paths), onProgress, signal));
  }
  return { engine: engine.kind, services, skipped };
}

export function planStack(config: Config, environment: NodeJS.ProcessEnv) {
  const judged = stackServices.map((service) => ({ service, reason: service.notWanted(config, environment) }));
  return {
    wanted: judged.filter(({ reason }) => reason === undefined).map(({ service }) => service),
    skipped: judged.flatMap(({ service, reason }) => (reason === undefined ? [] : [{ name: service.name, reason }])),
  };
}
