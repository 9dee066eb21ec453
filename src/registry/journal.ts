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
  /** Writes the step down, does it, writes down that it is done. */
  run: <Result>(subject: Subject, perform: () => Promise<Result>) => Promise<Result>;
};

export type JournalEdges = {
  ledger: Ledger;
  now: () => Date;
  /** Does nothing; tests and tools stop the command there. */
  failPoint: (point: FailPoint) => Promise<void>;
};

export function openJournal({ ledger, now, failPoint }: JournalEdges, promotionId: number): Journal {
  return {
    promotionId,
    run: async (subject, perform) => {
      const { step } = subject;
      const begunAtMs = now().getTime();
      const position = beginStep(ledger, { promotionId, step, subject: JSON.stringify(subject), begunAtMs });
      await failPoint(`${step}: begun`);
      const result = await perform();
      await failPoint(`${step}: performed`);
      endStep(ledger, { promotionId, position }, 'done', now().getTime());
      return result;
    },
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
    { hint: `Wait until it is through, then run the command again: mlx releases show ${id}` },
  );
}
