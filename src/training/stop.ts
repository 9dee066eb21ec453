// Stops a training from outside: its mlx is asked as Ctrl-C asks it, so that it keeps its last checkpoint.
import { ownerIsAlive, ownerPid } from '../engine/owner.js';
import { findRun, type Run } from '../ledger/runs.js';
import { openReconciled } from './reconcile.js';

export type StopEdges = Parameters<typeof openReconciled>[0] & {
  pause: (durationMs: number) => Promise<void>;
  signal: AbortSignal;
};

const betweenLooksMs = 200;

/**
 * Returns when the run has ended, at once for one that had, or when the signal says to wait no longer.
 * @returns the run as it is then: `stopped`, `finished` or `failed` when it was faster, `lost` when its mlx died of it
 */
export async function stopRun(edges: StopEdges, id: string): Promise<Run> {
  const ledger = await openReconciled(edges);
  const { state, owner } = findRun(ledger, id);
  if (state === 'running' && owner !== null) {
    process.kill(ownerPid(owner), 'SIGTERM');
    while (findRun(ledger, id).state === 'running' && ownerIsAlive(owner) && !edges.signal.aborted) {
      await edges.pause(betweenLooksMs);
    }
  }
  await openReconciled(edges);
  return findRun(ledger, id);
}
