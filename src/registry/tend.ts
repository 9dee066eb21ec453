// What the gateway sees to while it runs: promotions whose command died are settled, and servers that were kept warm long enough
// stopped, when nobody types a command. Another process does it, so that no request ever waits for it.
import { join } from 'node:path';

import { packageRoot, type Paths } from '../config/paths.js';
import { runProgram } from '../engine/exec.js';
import { errorMessage } from '../errors.js';
import { openLedgerForReading, type Ledger } from '../ledger/open.js';
import { gatewayActor } from './actor.js';
import { lookRegularly } from './looks.js';
import { duePromotions, isAnythingDue, type Due } from './settle.js';

export type TendEdges = {
  paths: Pick<Paths, 'ledgerFile' | 'project'>;
  environment: NodeJS.ProcessEnv;
  now: () => Date;
  signal: AbortSignal;
  warn: (line: string) => void;
};

/** @returns the end of it */
export function tendPromotions(edges: TendEdges): () => void {
  let seen: Due | undefined;
  const { end } = lookRegularly(async () => {
    const due = lookForDue(edges);
    if (due && isRipe(due, seen)) await recover(edges);
    seen = due;
  }, edges.warn);
  return end;
}

/** What was interrupted is left for a while to the person, whose next command sees to it at once. Pure. */
export function isRipe(due: Due, seen: Due | undefined): boolean {
  const twice = due.promotions.some(({ id }) => seen?.promotions.some((before) => before.id === id));
  return due.warm.length > 0 || twice || isSeenAgain(due, seen);
}

function isSeenAgain(due: Due, seen: Due | undefined): boolean {
  const again = due.drills.some((model) => seen?.drills.includes(model));
  return again || due.canaries.some((model) => seen?.canaries.includes(model));
}

function lookForDue(edges: TendEdges): Due | undefined {
  const due = readLedger(edges, 'The ledger', (ledger) => duePromotions(ledger, edges.now().getTime()));
  return due && isAnythingDue(due) ? due : undefined;
}

/** @returns undefined where there is no ledger, or none that can be read now, which is told */
export function readLedger<Value>(
  { paths, warn }: Pick<TendEdges, 'paths' | 'warn'>,
  what: string,
  read: (ledger: Ledger) => Value,
): Value | undefined {
  try {
    const ledger = openLedgerForReading(paths.ledgerFile);
    if (!ledger) return undefined;
    try {
      return read(ledger);
    } finally {
      ledger.close();
    }
  } catch (error) {
    warn(`${what} could not be looked at: ${errorMessage(error)}`);
    return undefined;
  }
}

async function recover(edges: TendEdges): Promise<void> {
  const status = await runOwnCommand(edges, ['releases', 'recover']);
  if (status !== 0)
    edges.warn(`What an interrupted promotion left could not be settled: mlx releases recover (status ${status})`);
}

/** A command of this program, as a process of its own. @returns its exit status; null when it could not be started */
export async function runOwnCommand(
  { paths, environment, signal, warn }: TendEdges,
  words: readonly string[],
): Promise<number | null> {
  const args = [join(packageRoot(), 'bin', 'mlx.js'), ...words, '--project', paths.project];
  const own = { ...environment, MLX_ACTOR: gatewayActor };
  const program = { file: process.execPath, args, environment: own, folder: paths.project };
  try {
    const { status } = await runProgram(program, { signal, onStderr: warn });
    return status;
  } catch (error) {
    warn(`mlx ${words.join(' ')} could not be started: ${errorMessage(error)}`);
    return null;
  }
}
