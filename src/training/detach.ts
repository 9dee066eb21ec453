// `mlx train --detach`: this command prepares the run, hands it to a process of its own, and ends.
import { join } from 'node:path';

import { packageRoot } from '../config/paths.js';
import { startDetached } from '../engine/detached.js';
import { ownerPid } from '../engine/owner.js';
import { updateRun, type Run } from '../ledger/runs.js';
import { runFolder } from './run-folder.js';
import { beginRun, type TrainEdges, type TrainRequest } from './train.js';

/** Failures of the preparation are this command's; afterwards the run is in the ledger and has an owner that lives. */
export async function trainDetached(
  edges: TrainEdges,
  request: TrainRequest,
): Promise<{ run: Run; pid: number; log: string }> {
  const { run } = await beginRun(edges, request);
  const log = runFolder(edges.paths.runs, run.id).ownLog;
  const owner = await startDetached(
    {
      file: process.execPath,
      args: [join(packageRoot(), 'bin', 'mlx.js'), 'train', '--adopt', run.id],
      environment: edges.environment,
      folder: edges.paths.project,
      mark: `run-${run.id}`,
      logFile: log,
    },
    // Before it begins: should this command die here, the next one finds a run whose owner is dead.
    (started) => updateRun(edges.ledger, run.id, { owner: started }),
  );
  return { run: { ...run, owner }, pid: ownerPid(owner), log };
}
