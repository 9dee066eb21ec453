// Both engines may hold things of one project: what was started with one is not gone because the other is used today.
import type { Engine, EngineKind } from '../engine/engine.js';
import { exitStatus, MlxError } from '../errors.js';

export type OpenEngine = (kind?: EngineKind) => Promise<Engine>;

/** The one that is asked for, or today's and the host. */
export async function usedEngines(open: OpenEngine, asked: EngineKind | undefined): Promise<Engine[]> {
  if (asked !== undefined) return [await open(asked)];
  const today = await open();
  return today.kind === 'host' ? [today] : [today, await open('host')];
}

/** Every engine that can be used; a Docker that is not there, or not whole, holds nothing that could be stopped from here. */
export async function allEngines(open: OpenEngine, asked: EngineKind | undefined): Promise<Engine[]> {
  const used = await usedEngines(open, asked);
  if (asked !== undefined || used.some(({ kind }) => kind === 'docker')) return used;
  try {
    return [...used, await open('docker')];
  } catch (error) {
    if (error instanceof MlxError && error.exitStatus === exitStatus.preflight) return used;
    throw error;
  }
}
