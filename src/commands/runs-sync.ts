// `mlx runs sync`: sends to MLflow what it does not have yet. Touches MLflow, and in the ledger only that it was done.
import { findRun, unsyncedRuns, type Run } from '../ledger/runs.js';
import { MlxError } from '../errors.js';
import { outcome } from '../output/output.js';
import type { CommandModule } from '../program.js';
import { syncRuns, type SyncedRun } from '../tracking/sync.js';
import { openReconciled } from '../training/reconcile.js';
import { runFolder } from '../training/run-folder.js';
import { runUploads } from '../training/uploads.js';

export const define: CommandModule['define'] = (command) => {
  command.argument('[runs...]', 'run ids or their beginnings; none: every ended run that MLflow does not have whole');
  command.addHelpText(
    'after',
    `
For runs that ended while MLflow was down or not there. Nothing is sent twice: run it as often as you like.

Examples:
  mlx runs sync
  mlx runs sync tickets-3fa91c
  mlx runs sync --dry-run`,
  );
};

export const run: CommandModule['run'] = async (context, references) => {
  const ledger = await openReconciled(context);
  const runs = references.length === 0 ? unsyncedRuns(ledger) : references.map((name) => ended(findRun(ledger, name)));
  if (context.flags.dryRun || runs.length === 0) {
    return outcome({ synced: [], wouldSync: runs.map(({ id }) => id) }, ({ wouldSync }) =>
      wouldSync.length === 0 ? 'MLflow has every ended run.' : `Would send ${wouldSync.join(', ')}.`,
    );
  }
  const { mlflow: settings } = await context.config();
  const synced = await syncRuns(
    {
      ledger,
      settings,
      environment: context.environment,
      signal: context.signal,
      uploadsOf: (each) => runUploads(each, runFolder(context.paths().runs, each.id)),
      onRun: (each) => context.output.progress({ event: 'synced', ...each }, describe(each)),
    },
    runs,
  );
  return outcome(
    { synced, wouldSync: [] },
    () => `MLflow has ${synced.length === 1 ? 'the run' : `all ${synced.length} runs`}.`,
  );
};

function ended(named: Run): Run {
  if (named.state !== 'running') return named;
  throw new MlxError(
    'BUSY',
    `Run ${named.id} is training; it is mirrored meanwhile, and can be synced when it has ended.`,
    {
      hint: `Follow it: mlx runs logs ${named.id} -f`,
    },
  );
}

function describe({ run: id, mlflowRunId, created }: SyncedRun): string {
  return `${id}  ${created ? 'new' : 'completed'} in MLflow as ${mlflowRunId}`;
}
