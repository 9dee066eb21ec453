// `mlx backup`: copies .mlx/ledger.db to .mlx/backups/, lists the copies, or puts one back.
import { basename, join } from 'node:path';

import type { Context } from '../context.js';
import { backUpLedger, listBackups, restoreLedger, type Backup } from '../ledger/backup.js';
import { lostByRestore, type Loss } from '../ledger/backup-loss.js';
import { wrapSqliteError, type Ledger } from '../ledger/open.js';
import { outcome, type Outcome } from '../output/output.js';
import type { CommandModule } from '../program.js';
import { orphanFolders } from '../store/garbage.js';

export const define: CommandModule['define'] = (command) => {
  command
    .option('--list', 'list the copies, newest first')
    .option('--restore <file>', 'put this copy in the place of the ledger');
  command.addHelpText(
    'after',
    `
Examples:
  mlx backup
  mlx backup --list
  mlx backup --restore .mlx/backups/ledger-2026-11-20T10-00-00-000Z.db`,
  );
};

export const run: CommandModule['run'] = async (context, _args, flags) => {
  const folder = join(context.paths().state, 'backups');
  if (flags['list'] === true) return outcome(listBackups(folder), renderBackups);
  if (typeof flags['restore'] === 'string') return restore(context, flags['restore']);
  if (context.flags.dryRun)
    return outcome({ wouldWriteTo: folder }, ({ wouldWriteTo }) => `Would copy the ledger to ${wouldWriteTo}.`);
  const backup = await copyLedger(await context.ledger(), folder, context.now());
  return outcome(
    backup,
    ({ file, sizeBytes }) => `Copied the ledger to ${file} (${(sizeBytes / 1024).toFixed(0)} KiB, checked).`,
  );
};

async function copyLedger(ledger: Ledger, folder: string, now: Date): Promise<Backup> {
  try {
    return await backUpLedger(ledger, folder, now);
  } catch (error) {
    throw wrapSqliteError(error, ledger.file);
  }
}

async function restore(context: Context, file: string): Promise<Outcome> {
  const { ledgerFile } = context.paths();
  const loss = lostByRestore(ledgerFile, file);
  if (context.flags.dryRun)
    return outcome(
      { wouldRestore: file, wouldLose: loss ?? null },
      () => `Would replace ${ledgerFile} by ${file}; the present one would be kept beside it.${tellLoss(loss)}`,
    );
  const question = `Replace ${ledgerFile} by ${file}?${tellLoss(loss)} (The present one is kept beside it.)`;
  const agreed = await context.output.confirm(question);
  if (!agreed) return outcome({ restored: false, replaced: undefined, orphanedRuns: [] }, () => 'Nothing was changed.');
  const { replaced } = await restoreLedger(ledgerFile, file, context.now());
  const orphaned = orphanFolders(await context.ledger(), context.paths().runs).map((folder) => basename(folder));
  return outcome({ restored: true, replaced, orphanedRuns: orphaned }, () =>
    [
      `Restored ${file}.${replaced === undefined ? '' : ` What was there is now ${replaced}.`}`,
      ...tellOrphans(orphaned),
    ].join('\n'),
  );
}

/** Their weights are there still, and no command of runs shows them any more. */
function tellOrphans(orphaned: readonly string[]): string[] {
  if (orphaned.length === 0) return [];
  const [count, verb] = orphaned.length === 1 ? ['One folder', 'is'] : [`${orphaned.length} folders`, 'are'];
  return [
    `${count} in .mlx/runs ${verb} of runs that this copy does not know: ${orphaned.slice(0, 5).join(', ')}${orphaned.length > 5 ? ', ...' : ''}`,
    'See them: mlx gc --dry-run; delete them: mlx gc (an hour after they were last written to)',
  ];
}

function tellLoss(loss: Loss | undefined): string {
  if (loss === undefined) return '';
  const lost = Object.entries(loss).filter(([, count]) => count > 0);
  if (lost.length === 0) return ' It holds all that the present one does.';
  return ` It does not know ${lost.map(([what, count]) => `${count} ${count === 1 ? what.slice(0, -1) : what}`).join(', ')} of the present one.`;
}

function renderBackups(backups: Backup[]): string {
  if (backups.length === 0) return 'There is no copy yet. Make one: mlx backup';
  return backups
    .map(
      ({ file, sizeBytes, madeAtMs }) =>
        `${new Date(madeAtMs).toISOString()}  ${(sizeBytes / 1024).toFixed(0).padStart(6)} KiB  ${file}`,
    )
    .join('\n');
}
