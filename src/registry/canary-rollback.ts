// Takes the share of a version back on a person's word. The command for it means production as soon as no share is left, so that nobody may be
// told to repeat it then. Touches what the end of a canary touches (canary-end.ts).
import { MlxError } from '../errors.js';
import type { Ledger } from '../ledger/open.js';
import type { Route } from '../ledger/promotions.js';
import { findSplit } from '../ledger/route-splits.js';
import { endCanary, type CanaryEnd } from './canary-end.js';
import type { PromotionEdges } from './edges.js';
import { dueCanaries, readRows } from './rows.js';

type Asking = { ledger: Ledger; signal: AbortSignal; open: () => Promise<PromotionEdges> };

/** @throws MlxError of whatever failed, with what is to be typed next */
export async function rollBackCanary({ ledger, signal, open }: Asking, trial: Route, end: CanaryEnd): Promise<void> {
  try {
    await endCanary(await open(), trial.model, end);
  } catch (error) {
    if (!(error instanceof MlxError) && !signal.aborted) throw error;
    throw notWholly(ledger, trial, error);
  }
}

function notWholly(ledger: Ledger, { model, version }: Route, cause: unknown): MlxError {
  const { code, message, hint } =
    cause instanceof MlxError ? cause : new MlxError('INTERRUPTED', 'Stopped before it was done.', { cause });
  const mend = hint === undefined ? '' : `${hint}. `;
  const divided = findSplit(ledger, model) !== undefined;
  const failed = divided
    ? message
    : `The share of ${model}:${version} is taken back, but what comes after it failed: ${message}`;
  return new MlxError(code, failed, { cause, hint: `${mend}${nextStep(ledger, model, divided)}` });
}

/** Nearly every command ends a share that is due, and a gateway one whose server is lost: it has to be looked at before. */
function nextStep(ledger: Ledger, model: string, divided: boolean): string {
  if (!divided || dueCanaries(readRows(ledger)).includes(model))
    return `Then: mlx releases recover. Not mlx rollback again: it would take production of ${model} back`;
  return `Then, only while mlx status shows the share: mlx rollback ${model}`;
}
