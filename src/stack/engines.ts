// Both engines may hold things of one project: what was started with one is not gone because the other is used today.
import type { Engine, EngineKind } from '../engine/engine.js';
import { MlxError } from '../errors.js';

export type OpenEngine = (kind?: EngineKind) => Promise<Engine>;

/** The one that is asked for, or today's and the host. */
export async function usedEngines(open: OpenEngine, asked: EngineKind | undefined): Promise<Engine[]> {
  if (asked !== undefined) return [await open(asked)];
  const today = await open();
  return today.kind === 'host' ? [today] : [today, await open('host')];
}

/** Every engine that answers; a Docker that does not answer runs nothing that could be stopped. */
export async function allEngines(open: OpenEngine, asked: EngineKind | undefined): Promise<Engine[]> {
  if (asked !== undefined) return [await open(asked)];
  const host = await open('host');
  try {
    return [host, await open('docker')];
  } catch (error) {
    if (error instanceof MlxError && error.code === 'DOCKER_UNREACHABLE') return [host];
    throw error;
  }
}
