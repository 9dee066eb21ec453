// Stops a training from outside: its mlx is asked as Ctrl-C asks it, so that it keeps its last checkpoint.
import { ownerIsAlive, ownerPid } from '../engine/owner.js';
import { findRun, updateRun, type Run, type RunChange } from '../ledger/runs.js';
import { openReconciled } from './reconcile.js';

export type StopEdges = Parameters<typeof openReconciled>[0] & {
  pause: (durationMs: number) => Promise<void>;
  signal: AbortSignal;
};

const betweenLooksMs = 200;

/**
 * Returns when the run has ended, at once for one that had, or when the signal says to wait no longer.
 * @returns the run as it is then: `stopped`, or `finished` or `failed` when it was faster
 */
export async function stopRun(edges: StopEdges, id: string): Promise<Run> {
  const ledger = await edges.ledger();
  const { state, owner } = findRun(ledger, id);
  if (state === 'running' && owner !== null) {
    process.kill(ownerPid(owner), 'SIGTERM');
    while (findRun(ledger, id).state === 'running' && ownerIsAlive(owner) && !edges.signal.aborted) {
      await edges.pause(betweenLooksMs);
    }
  }
  // What is left of a job is ended here.
  await openReconciled(edges);
  const ended = findRun(ledger, id);
  if (state !== 'running' || ended.state !== 'lost') return ended;
  updateRun(ledger, id, { state: 'stopped', ...stoppedEarly });
  return findRun(ledger, id);
}

/** Its mlx had only just been started and could not hear yet: there was no step to end. */
const stoppedEarly: RunChange = {
  errorCode: 'INTERRUPTED',
  errorMessage: 'Stopped before its trainer began.',
  errorHint: 'Train again: mlx train',
};
