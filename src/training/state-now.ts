// The state of a run as it is known to be, also where the disk is too full to write it into the ledger.
import { ownerIsAlive } from '../engine/owner.js';
import type { Run } from '../ledger/runs.js';

export function stateNow({ state, owner }: Pick<Run, 'state' | 'owner'>): Run['state'] {
  return ownerDied({ state, owner }) ? 'lost' : state;
}

export function ownerDied({ state, owner }: Pick<Run, 'state' | 'owner'>): boolean {
  return state === 'running' && owner !== null && !ownerIsAlive(owner);
}
