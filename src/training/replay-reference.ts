// What `mlx replay` takes to do a replay again that ended early: a resumed one would give no verdict. Reads the ledger.
import type { Ledger } from '../ledger/open.js';
import { allRunIds, type Run } from '../ledger/runs.js';

/** @returns the run of the lock while it is known here, else the recipe with its lock; undefined for a run that is no replay */
export function replayReference(
  ledger: Ledger,
  { replayOf, recipeFile }: Pick<Run, 'replayOf' | 'recipeFile'>,
): string | undefined {
  if (replayOf === null) return undefined;
  return allRunIds(ledger).includes(replayOf) ? replayOf : recipeFile;
}
