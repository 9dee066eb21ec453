// `mlx gc`: removes what nothing pins from .mlx/store and .mlx/runs, captured traffic that is too old, and with --runtimes images
// or environments of earlier versions.
import { statSync } from 'node:fs';

import { expireCaptures, expiredFiles } from '../capture/store.js';
import type { Context } from '../context.js';
import { MlxError } from '../errors.js';
import { formatBytes } from '../output/numbers.js';
import { outcome, type Outcome } from '../output/output.js';
import type { CommandModule } from '../program.js';
import { findGarbage, removeGarbage, type Garbage } from '../store/garbage.js';
import { pinnedRuntimes } from '../store/pins.js';

export const define: CommandModule['define'] = (command) => {
  command.option('--runtimes', 'also images and environments that neither this mlx nor a lock of this project needs');
  command.addHelpText(
    'after',
    `
Rows and weights are kept in .mlx/store by their hash, once for all runs. Kept: what a lock, a run of the ledger, and so a
model version or an alias needs. Gone: what only deleted runs needed (mlx runs rm), folders of runs that never began, and captured
traffic older than gateway.capture_days.
With the host engine environments are shared between projects: another project installs again what it still needs.

Examples:
  mlx gc --dry-run
  mlx gc
  mlx gc --runtimes --yes`,
  );
};

type Collection = { removed: Garbage[]; wouldRemove: Garbage[]; bytes: number };

export const run: CommandModule['run'] = async (context, _args, flags) => {
  const garbage = [
    ...findGarbage(await context.ledger(), context.paths(), context.now().getTime()),
    ...(await oldCaptures(context)),
    ...(flags['runtimes'] === true ? await oldRuntimes(context) : []),
  ];
  const bytes = garbage.reduce((sum, each) => sum + each.bytes, 0);
  if (garbage.length === 0 || context.flags.dryRun) return told({ removed: [], wouldRemove: garbage, bytes });
  const question = `Delete ${countOf(garbage)}, ${formatBytes(bytes)}?`;
  if (!(await context.output.confirm(question))) return told({ removed: [], wouldRemove: garbage, bytes });
  for (const each of garbage) {
    if (each.kind === 'runtime') await (await context.engine()).removeRuntime(each.name);
    else if (each.kind !== 'captures') removeGarbage(each);
  }
  const captures = garbage.some(({ kind }) => kind === 'captures');
  if (captures && !(await expireCaptures(context.paths().captures, await captureLimitMs(context))))
    throw busyCaptures();
  return told({ removed: garbage, wouldRemove: [], bytes });
};

/** The gateway deletes them too, while it runs. */
async function oldCaptures(context: Context): Promise<Garbage[]> {
  const files = await expiredFiles(context.paths().captures, await captureLimitMs(context));
  return files.map((name) => ({ kind: 'captures', name, bytes: statSync(name).size }));
}

async function captureLimitMs(context: Context): Promise<number> {
  const { gateway } = await context.config();
  return context.now().getTime() - gateway.capturesKeptMs;
}

function busyCaptures(): MlxError {
  return new MlxError('BUSY', 'Another process has worked on the captured traffic for more than 10 s; it stays.', {
    hint: 'Run the command again: mlx gc',
  });
}

async function oldRuntimes(context: Context): Promise<Garbage[]> {
  const engine = await context.engine();
  const old = await engine.oldRuntimes(pinnedRuntimes(context.paths()));
  return old.map(({ id, sizeBytes }) => ({ kind: 'runtime', name: id, bytes: sizeBytes }));
}

function told(collection: Collection): Outcome {
  return outcome(collection, ({ removed, wouldRemove, bytes }) => {
    if (removed.length > 0) return `Deleted ${countOf(removed)}: ${formatBytes(bytes)} free.`;
    if (wouldRemove.length === 0) return 'Nothing to delete: everything is pinned by a lock, a run or a version.';
    const lines = wouldRemove.map(
      ({ kind, name, bytes: each }) => `  ${kind.replace('_', ' ')}  ${name}  ${formatBytes(each)}`,
    );
    return [`Nothing was deleted. Would delete ${countOf(wouldRemove)}, ${formatBytes(bytes)}:`, ...lines].join('\n');
  });
}

function countOf(garbage: readonly Garbage[]): string {
  return garbage.length === 1 ? 'one thing' : `${garbage.length} things`;
}
