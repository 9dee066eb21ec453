// A watch as the journal keeps it. Pure, and light: whoever looks for routes at rest reads it.
import type { PromotionStep } from '../ledger/promotion-steps.js';

/** Whose watch it is, and until when. */
export function watchSubject({ subject }: Pick<PromotionStep, 'subject'>): { owner: string; untilMs: number } {
  return JSON.parse(subject) as { owner: string; untilMs: number };
}
