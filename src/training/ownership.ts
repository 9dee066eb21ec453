// One training at a time in a project: two would share the GPU's memory and both die of it.
import { currentOwner, ownerIsAlive, ownerPid } from '../engine/owner.js';
import { MlxError } from '../errors.js';
import { write, type Ledger } from '../ledger/open.js';
import { findRun, ownedRuns, updateRun, type Run } from '../ledger/runs.js';

/** @throws MlxError BUSY naming the living run */
export function refuseSecondTraining(ledger: Ledger): void {
  const living = ownedRuns(ledger).find(({ state, owner }) => state === 'running' && belongsToOther(owner));
  if (!living) return;
  throw new MlxError(
    'BUSY',
    `Run ${living.id} is training in this project (pid ${ownerPid(living.owner ?? '')}, since ${new Date(living.startedAtMs).toISOString()}).`,
    { hint: `Follow it: mlx runs logs ${living.id} -f (or stop it: mlx runs stop ${living.id})` },
  );
}

/** A process that lives, and is not this one. */
export function belongsToOther(owner: string | null): boolean {
  return owner !== null && owner !== currentOwner() && ownerIsAlive(owner);
}

/**
 * Makes a run that ended early this process's own. One transaction: two commands at once cannot both find the project free.
 * @throws MlxError BUSY when another command was faster, or is still ending the run's job
 */
export function takeOver(ledger: Ledger, id: string, from: Run['state']): Run {
  return write(ledger, () => {
    refuseSecondTraining(ledger);
    const current = findRun(ledger, id);
    if (current.state !== from || belongsToOther(current.owner)) {
      throw new MlxError('BUSY', `Run ${id} is ${current.state}, and another command is at work on it.`, {
        hint: `See it: mlx runs show ${id}`,
      });
    }
    updateRun(ledger, id, {
      state: 'running',
      owner: currentOwner(),
      endedAtMs: null,
      errorCode: null,
      errorMessage: null,
      errorHint: null,
    });
    return findRun(ledger, id);
  });
}
