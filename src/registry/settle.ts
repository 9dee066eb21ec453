// What every command that reads or changes releases does first: promotions that were interrupted are finished or undone, and
// servers that were kept warm long enough are stopped.
import type { Ledger } from '../ledger/open.js';
import { findRoute, type Promotion } from '../ledger/promotions.js';
import { findSplit } from '../ledger/route-splits.js';
import type { WarmServer } from '../ledger/warm-servers.js';
import { actorName } from './actor.js';
import type { CanaryEnd } from './canary-end.js';
import type { CommandEdges, PromotionEdges } from './edges.js';
import { deadPromotions } from './journal.js';
import { dueCanaries, dueDrills, expired, readRows } from './rows.js';
import { canaryAlias, routeName } from './targets.js';

/** `drills`, `canaries`: models whose rehearsal, or whose canary, was interrupted. */
export type Due = { promotions: Promotion[]; warm: WarmServer[]; drills: string[]; canaries: string[] };

/** Promotions whose command died, and servers that were kept warm long enough. */
export function duePromotions(ledger: Ledger, nowMs: number): Due {
  const rows = readRows(ledger);
  const promotions = deadPromotions(ledger);
  return { promotions, warm: expired(rows, nowMs), drills: dueDrills(rows), canaries: dueCanaries(rows) };
}

export function isAnythingDue({ promotions, warm, drills, canaries }: Due): boolean {
  return promotions.length + warm.length + drills.length + canaries.length > 0;
}

/**
 * Some looks at small tables of the ledger when there is nothing to do, and nothing more loaded. Never fails because an engine does not answer.
 * @returns what was done; what could not be done yet is due at the next command
 */
export async function settlePromotions(command: CommandEdges): Promise<Due> {
  const due = duePromotions(await command.ledger(), command.now().getTime());
  if (!isAnythingDue(due)) return due;
  const { openPromotionEdges } = await import('./edges.js');
  return settleDue(await openPromotionEdges(command), actorName(command.environment));
}

/** Asked anew after the promotions: a rehearsal is free, and a candidate's start finished, once they are settled. */
export async function settleDue(edges: PromotionEdges, actor: string): Promise<Due> {
  const [{ recoverPromotions }, { stopExpiredServers }, { endDrill }, { endCanary }] = await Promise.all([
    import('./recover.js'),
    import('./retire.js'),
    import('./drill.js'),
    import('./canary-end.js'),
  ]);
  const promotions = await recoverPromotions(edges);
  const drills = await doneOf(edges, dueDrills(readRows(edges.ledger)), 'rehearsal', (model) => endDrill(edges, model));
  const canaries = await doneOf(edges, dueCanaries(readRows(edges.ledger)), 'canary', async (model) => {
    const { line, end } = endOf(edges.ledger, model, actor);
    if (await endCanary(edges, model, end)) edges.onNote(line);
  });
  return { promotions, drills, canaries, warm: await stopExpiredServers(edges) };
}

async function doneOf(
  edges: PromotionEdges,
  models: readonly string[],
  what: string,
  end: (model: string) => Promise<void>,
): Promise<string[]> {
  const { doOrLeave } = await import('./leave.js');
  const done: string[] = [];
  for (const model of models) {
    if (await doOrLeave(edges, interruptedLine(what, model), () => end(model))) done.push(model);
  }
  return done;
}

export function interruptedLine(what: string, model: string): string {
  return `The ${what} of ${model} was interrupted, and cannot be taken away wholly yet.`;
}

/** What it was is known only before it is ended. */
function endOf(ledger: Ledger, model: string, actor: string): { line: string; end: CanaryEnd } {
  const [live, shared] = [findRoute(ledger, model), findRoute(ledger, routeName(model, canaryAlias))];
  const name = shared === undefined ? model : `${model}:${shared.version}`;
  const gone = findSplit(ledger, model)?.owner === null ? 'it is live by now, or gone' : 'its command is gone';
  const line = `The share of ${name} was taken back: ${gone}. All requests go to the live version again.`;
  const promoted = shared !== undefined && live?.digest === shared.digest;
  const reason = promoted ? 'it is live' : 'its command was gone';
  return { line, end: { outcome: promoted ? 'promoted' : 'taken_back', code: null, actor, reason } };
}
