// `mlx runs logs`: the trainer's own log. Reads .mlx/runs/ID/trainer.log.
import { existsSync } from 'node:fs';

import { readWholeNumber } from '../config/whole-number.js';
import { followStatus } from '../context.js';
import { MlxError } from '../errors.js';
import { findRun } from '../ledger/runs.js';
import { outcome } from '../output/output.js';
import type { CommandModule } from '../program.js';
import { openReconciled } from '../training/reconcile.js';
import { runFolder } from '../training/run-folder.js';
import { runLines } from '../training/run-lines.js';

export const define: CommandModule['define'] = (command) => {
  command
    .argument('[run]', 'a run id, its beginning, or latest', 'latest')
    .option('-f, --follow', 'go on with new lines until the run ends')
    .option('-n, --lines <count>', 'at most so many of the last lines', '200');
  command.addHelpText(
    'after',
    `
Examples:
  mlx runs logs
  mlx runs logs tickets-3fa91c -f
  mlx runs logs latest -n 20`,
  );
};

export const run: CommandModule['run'] = async (context, [reference = 'latest'], flags) => {
  const ledger = await openReconciled(context);
  const found = findRun(ledger, reference);
  const { log } = runFolder(context.paths().runs, found.id);
  const follow = flags['follow'] === true && found.state === 'running';
  if (!follow && !existsSync(log)) {
    throw new MlxError('NOT_FOUND', `Run ${found.id} has no log: ${log} is not there.`, {
      hint: `See what is known of it: mlx runs show ${found.id}`,
    });
  }
  const hasEnded = (): boolean => findRun(ledger, found.id).state !== 'running';
  const lines = runLines(log, {
    follow,
    lines: readWholeNumber(String(flags['lines']), '--lines', { from: 0, hint: 'For example: mlx runs logs -n 50' }),
    signal: context.signal,
    hasEnded,
  });
  for await (const line of lines) context.output.stream(`${line}\n`);
  return outcome({ run: found.id, state: findRun(ledger, found.id).state }, () => '', followStatus(context.signal));
};

export const endsOnInterrupt: CommandModule['endsOnInterrupt'] = (flags) => flags['follow'] === true;
