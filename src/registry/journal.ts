// Promotions as rows: one at a time for a model, every step written before it is done, taken over when their owner died.
import { currentOwner, ownerIsAlive, ownerPid } from '../engine/owner.js';
import { MlxError } from '../errors.js';
import { write, type Ledger } from '../ledger/open.js';
import { beginStep, endStep } from '../ledger/promotion-steps.js';
import {
  openPromotions,
  startPromotion,
  takeOverPromotion,
  type NewPromotion,
  type Promotion,
} from '../ledger/promotions.js';
import type { StepName, Subject } from './subjects.js';

/** A place at which a command may die: a step's intent is written, or its work is done and not yet written down. */
export type FailPoint = `${'' | 'undo '}${StepName | 'end'}: ${'begun' | 'performed'}`;

export type Journal = {
  promotionId: number;
  /** Writes the step down, does it; that it is done is written with the next row, as one transaction. */
  run: <Result>(subject: Subject, perform: () => Promise<Result>) => Promise<Result>;
  /** `rows` are written with what is left to write. */
  close: (rows: () => void) => void;
};

export type JournalEdges = {
  ledger: Ledger;
  now: () => Date;
  /** Does nothing; tests and tools stop the command there. */
  failPoint: (point: FailPoint) => Promise<void>;
};

/**
 * A step whose end was not written when its command died counts as begun: it is done again, or undone, and both may be repeated.
 */
export function openJournal({ ledger, now, failPoint }: JournalEdges, promotionId: number): Journal {
  let performed: { position: number; endedAtMs: number } | undefined;
  const writeEnd = (): void => {
    if (performed) endStep(ledger, { promotionId, position: performed.position }, 'done', performed.endedAtMs);
    performed = undefined;
  };
  const begin = (subject: Subject): number => {
    const { step } = subject;
    writeEnd();
    return beginStep(ledger, { promotionId, step, subject: JSON.stringify(subject), begunAtMs: now().getTime() });
  };
  return {
    promotionId,
    run: async (subject, perform) => {
      const position = write(ledger, () => begin(subject));
      await failPoint(`${subject.step}: begun`);
      const result = await perform();
      await failPoint(`${subject.step}: performed`);
      performed = { position, endedAtMs: now().getTime() };
      return result;
    },
    close: (rows) =>
      write(ledger, () => {
        writeEnd();
        rows();
      }),
  };
}

/** @throws MlxError BUSY while another command of this model is at work */
export function beginPromotion(ledger: Ledger, promotion: Omit<NewPromotion, 'owner'>): number {
  return write(ledger, () => {
    const open = openPromotions(ledger).find(({ model }) => model === promotion.model);
    if (open) throw busy(open);
    return startPromotion(ledger, { ...promotion, owner: currentOwner() });
  });
}

/** Those whose owner died and that are this command's now: nobody else will work on them, nor start another one. */
export function claimDeadPromotions(ledger: Ledger): Promotion[] {
  return deadPromotions(ledger).filter(({ id, owner }) => takeOverPromotion(ledger, id, owner, currentOwner()));
}

export function deadPromotions(ledger: Ledger): Promotion[] {
  return openPromotions(ledger).filter(({ owner }) => owner === null || !ownerIsAlive(owner));
}

function busy(promotion: Promotion): MlxError {
  const { id, model, toVersion, owner, kind } = promotion;
  const what = kind === 'rollback' ? 'rolled back' : 'promoted';
  if (owner === null)
    return new MlxError(
      'BUSY',
      `An earlier ${kind} of ${model} to version ${toVersion} is not finished or undone yet.`,
      {
        hint: `What it did, step by step: mlx releases show ${id}`,
      },
    );
  return new MlxError(
    'BUSY',
    `${model} is being ${what} to version ${toVersion} by another command (process ${ownerPid(owner)}).`,
    { hint: `Wait until it is through (mlx releases show ${id}), then run the command again.` },
  );
}
