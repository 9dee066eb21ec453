// What every command that reads or changes releases does first: promotions that were interrupted are finished or undone, and
// servers that were kept warm long enough are stopped.
import type { Ledger } from '../ledger/open.js';
import { listRoutes, openPromotions, type Promotion } from '../ledger/promotions.js';
import { listWarmServers, type WarmServer } from '../ledger/warm-servers.js';
import type { CommandEdges } from './edges.js';
import { deadPromotions } from './journal.js';
import { drillAlias, routeName } from './targets.js';

/** `drills`: models whose rehearsal was interrupted. */
export type Due = { promotions: Promotion[]; warm: WarmServer[]; drills: string[] };

/** Promotions whose command died, and servers that were kept warm long enough. */
export function duePromotions(ledger: Ledger, nowMs: number): Due {
  const warm = listWarmServers(ledger).filter(({ untilMs }) => untilMs <= nowMs);
  const open = new Set(openPromotions(ledger).map(({ model }) => model));
  const drills = listRoutes(ledger)
    .filter(({ name, model }) => name === routeName(model, drillAlias) && !open.has(model))
    .map(({ model }) => model);
  return { promotions: deadPromotions(ledger), warm, drills };
}

export function isAnythingDue({ promotions, warm, drills }: Due): boolean {
  return promotions.length + warm.length + drills.length > 0;
}

/** Some looks at small tables of the ledger when there is nothing to do, and nothing more loaded. @returns what was found */
export async function settlePromotions(command: CommandEdges): Promise<Due> {
  const due = duePromotions(await command.ledger(), command.now().getTime());
  if (!isAnythingDue(due)) return due;
  const [{ openPromotionEdges }, { recoverPromotions }, { stopExpiredServers }, { endDrill }] = await Promise.all([
    import('./edges.js'),
    import('./recover.js'),
    import('./retire.js'),
    import('./drill.js'),
  ]);
  const edges = await openPromotionEdges(command);
  const promotions = await recoverPromotions(edges);
  for (const model of due.drills) await endDrill(edges, model);
  return { ...due, promotions, warm: await stopExpiredServers(edges) };
}
