// `mlx runs rm`: deletes runs: their rows and .mlx/runs/ID. A packaged run keeps its row and
// its lock, because versions lead back to it.
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';

import type { Context } from '../context.js';
import { MlxError } from '../errors.js';
import type { Ledger } from '../ledger/open.js';
import { deleteRun, findRun, type Run } from '../ledger/runs.js';
import { listVersions } from '../ledger/versions.js';
import { formatBytes } from '../output/numbers.js';
import { outcome } from '../output/output.js';
import type { CommandModule } from '../program.js';
import { folderBytes } from '../training/folder-size.js';
import { openReconciled } from '../training/reconcile.js';
import { runFolder, type RunFolder } from '../training/run-folder.js';

export const define: CommandModule['define'] = (command) => {
  command
    .argument('<runs...>', 'run ids, their beginnings, or latest')
    .option('--force', 'also the files of packaged runs; their versions, rows and locks stay');
  command.addHelpText(
    'after',
    `
Examples:
  mlx runs rm tickets-3fa91c
  mlx runs rm tickets-3fa91c tickets-77b0aa --yes
  mlx runs rm latest --dry-run`,
  );
};

type Removal = { run: string; bytes: number; versions: string[] };

export const run: CommandModule['run'] = async (context, references, flags) => {
  const ledger = await openReconciled(context);
  const runs = references.map((reference) => findRun(ledger, reference));
  const removals = planRemovals(context, ledger, [...new Map(runs.map((each) => [each.id, each])).values()]);
  refusePackaged(removals, flags['force'] === true);
  if (context.flags.dryRun)
    return outcome({ removed: [], wouldRemove: removals }, () => renderRemovals('Would delete', removals));
  const sum = formatBytes(removals.reduce((bytes, removal) => bytes + removal.bytes, 0));
  const sure = await context.output.confirm(`Delete ${removals.map((removal) => removal.run).join(', ')} (${sum})?`);
  if (!sure) return outcome({ removed: [] }, () => 'Nothing was deleted.');
  for (const { run: id, versions } of removals) {
    // The row first: a folder without a row is litter, a row without its folder is a broken run.
    if (versions.length === 0 && !deleteRun(ledger, id)) refuseChanged(context, ledger, id);
    removeFiles(runFolder(context.paths().runs, id), versions.length > 0);
  }
  return outcome({ removed: removals }, () => renderRemovals('Deleted', removals));
};

/** What a version was made of can still be replayed: its lock and the hashes of its rows are small, and stay. */
function removeFiles({ folder, lock, rows }: RunFolder, packaged: boolean): void {
  if (!packaged) return rmSync(folder, { recursive: true, force: true });
  if (!existsSync(folder)) return;
  const kept = [lock, rows].map((file) => basename(file));
  for (const name of readdirSync(folder).filter((each) => !kept.includes(each)))
    rmSync(join(folder, name), { recursive: true, force: true });
}

function planRemovals(context: Context, ledger: Ledger, runs: readonly Run[]): Removal[] {
  const versions = listVersions(ledger);
  return runs.map(({ id, state }) => {
    if (state === 'running') {
      throw new MlxError('BUSY', `Run ${id} is training; it cannot be deleted now.`, {
        hint: `Follow it to its end: mlx runs logs ${id} -f`,
      });
    }
    const made = versions.filter(({ runId }) => runId === id).map(({ model, version }) => `${model}:${version}`);
    return { run: id, bytes: folderBytes(runFolder(context.paths().runs, id).folder), versions: made };
  });
}

function refusePackaged(removals: readonly Removal[], force: boolean): void {
  const packaged = removals.filter(({ versions }) => versions.length > 0);
  if (packaged.length === 0 || force) return;
  const list = packaged.map(({ run: id, versions }) => `${id} (${versions.join(', ')})`).join(', ');
  throw new MlxError('RUN_PACKAGED', `Model versions were made of ${list}.`, {
    hint: 'Free only their files, and keep their rows and versions: add --force',
  });
}

/** A person took a while to answer, and meanwhile it was resumed, packaged, or deleted by another command. */
function refuseChanged(context: Context, ledger: Ledger, id: string): void {
  refusePackaged(planRemovals(context, ledger, [findRun(ledger, id)]), false);
}

function renderRemovals(verb: string, removals: readonly Removal[]): string {
  return removals
    .map(({ run: id, bytes, versions }) =>
      versions.length === 0
        ? `${verb} ${id}: ${formatBytes(bytes)}`
        : `${verb} the files of ${id}: ${formatBytes(bytes)}; its row and its lock stay for ${versions.join(', ')}`,
    )
    .join('\n');
}
