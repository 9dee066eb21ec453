// `mlx runs stop`: ends a training that another mlx runs, in the background or in another terminal; its last checkpoint stays.
import { setTimeout as pause } from 'node:timers/promises';

import { exitStatus } from '../errors.js';
import { findRun } from '../ledger/runs.js';
import { outcome } from '../output/output.js';
import type { CommandModule } from '../program.js';
import { openReconciled } from '../training/reconcile.js';
import { stopRun } from '../training/stop.js';

export const define: CommandModule['define'] = (command) => {
  command.argument('[run]', 'run id, the beginning of one, or latest', 'latest');
  command.addHelpText(
    'after',
    `
Like Ctrl-C where it was started: the trainer ends after its current step. Go on from its last checkpoint with mlx train --resume.

Examples:
  mlx runs stop
  mlx runs stop tickets-3fa91c`,
  );
};

export const run: CommandModule['run'] = async (context, [reference = 'latest']) => {
  const { id, state } = findRun(await openReconciled(context), reference);
  if (state !== 'running' || context.flags.dryRun) {
    return outcome({ run: id, state, stopped: false }, () =>
      state === 'running' ? `Would stop ${id}.` : `${id} has ended already: ${state}.`,
    );
  }
  context.output.note(`Waiting for ${id} to end its step.`);
  const edges = { ...context, pause: (durationMs: number) => pause(durationMs, undefined) };
  const ended = await stopRun(edges, id);
  const told = { run: id, state: ended.state, stopped: ended.state !== 'running' };
  const next = ended.state === 'finished' ? '' : ` Go on with it: mlx train --resume ${id}`;
  return outcome(
    told,
    () => (told.stopped ? `${id} is ${ended.state}.${next}` : `${id} was asked to stop, and still runs.`),
    told.stopped ? exitStatus.ok : exitStatus.interrupted,
  );
};
