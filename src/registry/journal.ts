// Promotions as rows: one at a time for a model, written before anything happens, and finished or undone when their owner died.
import { currentOwner, ownerIsAlive, ownerPid } from '../engine/owner.js';
import { MlxError } from '../errors.js';
import { write, type Ledger } from '../ledger/open.js';
import {
  listPromotions,
  startPromotion,
  takeOverPromotion,
  type NewPromotion,
  type Promotion,
} from '../ledger/promotions.js';

const allOpen = 1_000;

/** @throws MlxError BUSY while another command of this model is at work */
export function beginPromotion(ledger: Ledger, promotion: Omit<NewPromotion, 'owner'>): number {
  return write(ledger, () => {
    const living = openPromotions(ledger, promotion.model).find(isAlive);
    if (living) throw busy(living);
    return startPromotion(ledger, { ...promotion, owner: currentOwner() });
  });
}

/** Those whose owner died and that are this command's now: nobody else will work on them, nor start another one. */
export function claimDeadPromotions(ledger: Ledger, model: string): Promotion[] {
  return openPromotions(ledger, model)
    .filter((promotion) => !isAlive(promotion))
    .filter(({ id, owner }) => takeOverPromotion(ledger, id, owner, currentOwner()))
    .reverse();
}

function openPromotions(ledger: Ledger, model: string): Promotion[] {
  return listPromotions(ledger, { model, state: 'started', limit: allOpen });
}

function isAlive({ owner }: Promotion): boolean {
  return owner !== null && ownerIsAlive(owner);
}

function busy(promotion: Promotion): MlxError {
  const { model, toVersion, owner, kind } = promotion;
  const what = kind === 'rollback' ? 'rolled back' : 'promoted';
  return new MlxError(
    'BUSY',
    `${model} is being ${what} to version ${toVersion} by another command (process ${ownerPid(owner ?? '')}).`,
    { hint: `Wait until it is through, then run the command again: mlx releases ${model}` },
  );
}
