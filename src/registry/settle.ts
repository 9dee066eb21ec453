// What every command that reads or changes releases does first: promotions that were interrupted are finished or undone, and
// servers that were kept warm long enough are stopped.
import { ownerIsAlive } from '../engine/owner.js';
import type { Ledger } from '../ledger/open.js';
import { findRoute, listRoutes, openPromotions, type Promotion } from '../ledger/promotions.js';
import { findSplit, listSplits } from '../ledger/route-splits.js';
import { listWarmServers, type WarmServer } from '../ledger/warm-servers.js';
import { actorName } from './actor.js';
import type { CanaryEnd } from './canary-end.js';
import type { CommandEdges, PromotionEdges } from './edges.js';
import { deadPromotions } from './journal.js';
import { canaryAlias, drillAlias, routeName } from './targets.js';

/** `drills`, `canaries`: models whose rehearsal, or whose canary, was interrupted. */
export type Due = { promotions: Promotion[]; warm: WarmServer[]; drills: string[]; canaries: string[] };

/** Promotions whose command died, and servers that were kept warm long enough. */
export function duePromotions(ledger: Ledger, nowMs: number): Due {
  const warm = listWarmServers(ledger).filter(({ untilMs }) => untilMs <= nowMs);
  const open = new Set(openPromotions(ledger).map(({ model }) => model));
  const drills = listRoutes(ledger)
    .filter(({ name, model }) => name === routeName(model, drillAlias) && !open.has(model))
    .map(({ model }) => model);
  return { promotions: deadPromotions(ledger), warm, drills, canaries: dueCanaries(ledger) };
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
  const [{ openPromotionEdges }, { recoverPromotions }, { stopExpiredServers }, { endDrill }, { endCanary }] =
    await Promise.all([
      import('./edges.js'),
      import('./recover.js'),
      import('./retire.js'),
      import('./drill.js'),
      import('./canary-end.js'),
    ]);
  const edges = await openPromotionEdges(command);
  const promotions = await recoverPromotions(edges);
  const drills = await doneOf(edges, due.drills, 'rehearsal', (model) => endDrill(edges, model));
  // Also of a candidate whose start was interrupted and is finished now.
  const canaries = await doneOf(edges, dueCanaries(edges.ledger), 'canary', async (model) => {
    const { line, end } = endOf(edges.ledger, model, actorName(command.environment));
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
    const left = `The ${what} of ${model} was interrupted, and cannot be taken away wholly yet.`;
    if (await doOrLeave(edges, left, () => end(model))) done.push(model);
  }
  return done;
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

/** Models whose canary nobody steps and nobody left standing, or whose candidate is live by now. */
function dueCanaries(ledger: Ledger): string[] {
  const open = new Set(openPromotions(ledger).map(({ model }) => model));
  const splits = listSplits(ledger).filter(({ name, candidate, owner }) => {
    if (owner !== null) return !ownerIsAlive(owner);
    const [live, shared] = [findRoute(ledger, name), findRoute(ledger, candidate)];
    return shared === undefined || live?.digest === shared.digest;
  });
  const divided = new Set(listSplits(ledger).map(({ name }) => name));
  const orphans = listRoutes(ledger).filter(
    ({ name, model }) => name === routeName(model, canaryAlias) && !divided.has(model),
  );
  const due = new Set([...splits.map(({ name }) => name), ...orphans.map(({ model }) => model)]);
  return [...due].filter((model) => !open.has(model));
}
