// Makes the ledger true again after a crash: a run whose owner died without a word becomes `lost`, and what is left of its
// job is ended. Called at the start of every command that shows or starts runs; costs one query when there is nothing to do.
import type { Engine, EngineKind } from '../engine/engine.js';
import { currentOwner, ownerPid } from '../engine/owner.js';
import { errorMessage, MlxError } from '../errors.js';
import { write, type Ledger } from '../ledger/open.js';
import { claimLostRun, findRun, ownedRuns, updateRun, type Run } from '../ledger/runs.js';
import { belongsToOther } from './ownership.js';
import { replayReference } from './replay-reference.js';
import { hasCheckpoint, runFolder } from './run-folder.js';
import { ownerDied } from './state-now.js';

export type ReconcileEdges = {
  ledger: Ledger;
  paths: { runs: string };
  engine: (kind: EngineKind) => Promise<Engine>;
  now: () => Date;
  note: (line: string) => void;
};

/** The ledger, made true first: how every command that shows or uses runs opens it. */
export async function openReconciled(
  edges: Omit<ReconcileEdges, 'ledger' | 'note' | 'paths'> & {
    ledger: () => Promise<Ledger>;
    paths: () => { runs: string };
    output: Pick<ReconcileEdges, 'note'>;
  },
): Promise<Ledger> {
  const ledger = await edges.ledger();
  await reconcileRuns({ ledger, paths: edges.paths(), engine: edges.engine, now: edges.now, note: edges.output.note });
  return ledger;
}

/** @returns the runs that were found dead */
export async function reconcileRuns(edges: ReconcileEdges): Promise<Run[]> {
  const owned = ownedRuns(edges.ledger);
  const dead = owned.filter(ownerDied);
  for (const run of dead) {
    if (!tryMarkLost(edges, run)) continue;
    edges.note(
      `Run ${run.id} lost its mlx (pid ${ownerPid(run.owner ?? '')} is gone): it is marked lost. ${goOn(edges.ledger, run, hasCheckpoint(runFolder(edges.paths.runs, run.id)))}`,
    );
  }
  if (owned.length > 0) await endOrphanJobs(edges);
  return dead;
}

/** A full disk must not keep anyone from reading what there is. */
function tryMarkLost(edges: ReconcileEdges, run: Run): boolean {
  try {
    return markLost(edges, run);
  } catch (error) {
    if (!(error instanceof MlxError)) throw error;
    edges.note(`Run ${run.id} lost its mlx, which cannot be written down now: ${error.message}`);
    return false;
  }
}

/** Compare and set: another command may have seen it at the same moment, or somebody resumed it. */
function markLost({ ledger, paths, now }: ReconcileEdges, seen: Run): boolean {
  return write(ledger, () => {
    const current = findRun(ledger, seen.id);
    if (current.state !== 'running' || current.owner !== seen.owner) return false;
    // The owner stays in the row until the job is known to be gone: endOrphanJobs.
    updateRun(ledger, seen.id, {
      state: 'lost',
      endedAtMs: now().getTime(),
      errorCode: 'OWNER_DIED',
      errorMessage: 'The mlx that ran it died without a word (killed, or the machine went down).',
      errorHint: goOn(ledger, current, hasCheckpoint(runFolder(paths.runs, seen.id))),
      mlflowSynced: 0,
    });
    return true;
  });
}

function goOn(ledger: Ledger, run: Run, kept: boolean): string {
  const replay = replayReference(ledger, run);
  if (replay !== undefined) return `Replay it again, from its beginning: mlx replay ${replay}`;
  return kept
    ? `Go on from the last checkpoint: mlx train --resume ${run.id}`
    : `Start again: mlx train --resume ${run.id} (there is no checkpoint yet)`;
}

/**
 * A job can outlive its mlx. When its engine does not answer now, the next command tries again. Claimed first: while the
 * engine answers, another command may have ended the job already, and a third resumed the run.
 */
async function endOrphanJobs({ ledger, engine, note }: ReconcileEdges): Promise<void> {
  for (const run of ownedRuns(ledger).filter(({ state, owner }) => state === 'lost' && !belongsToOther(owner))) {
    try {
      if (!claimLostRun(ledger, run.id, run.owner, currentOwner())) continue;
      if (await (await engine(run.engine)).stopJob(run.id))
        note(`Its job was still running and has been ended (${run.engine}).`);
      claimLostRun(ledger, run.id, currentOwner(), null);
    } catch (error) {
      claimLostRun(ledger, run.id, currentOwner(), run.owner);
      note(`Whether the job of ${run.id} still runs cannot be seen now: ${errorMessage(error)}`);
    }
  }
}
