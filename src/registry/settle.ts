// What every command that reads or changes releases does first: promotions that were interrupted are finished or undone.
import type { Promotion } from '../ledger/promotions.js';
import type { CommandEdges } from './edges.js';
import { deadPromotions } from './journal.js';

/** One look at an index of the ledger when there is nothing to do, and nothing more loaded. @returns those that were found */
export async function settlePromotions(command: CommandEdges): Promise<Promotion[]> {
  if (deadPromotions(await command.ledger()).length === 0) return [];
  const [{ openPromotionEdges }, { recoverPromotions }] = await Promise.all([
    import('./edges.js'),
    import('./recover.js'),
  ]);
  return recoverPromotions(await openPromotionEdges(command));
}
