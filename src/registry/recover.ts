// Finishes or undoes promotions: those whose command died, and the one whose step just failed. What is really there decides.
import { errorMessage } from '../errors.js';
import { endStep } from '../ledger/promotion-steps.js';
import { endPromotion, findRoute, releasePromotion, type Promotion, type Route } from '../ledger/promotions.js';
import { serverCondition, type Condition } from '../serving/liveness.js';
import { claimDeadPromotions, openJournal, type Journal } from './journal.js';
import type { PromotionEdges } from './edges.js';
import { doOrLeave } from './leave.js';
import { planRecovery, type Facts, type Recovery } from './recovery.js';
import { undoStep } from './steps.js';
import { readJournal, subjectOf, type JournalEntry } from './subjects.js';
import { finishSwitch } from './switch.js';
import { drillAlias } from './targets.js';

/** @returns those that were settled. Afterwards one version serves, and no server is left that no route uses. */
export async function recoverPromotions(edges: PromotionEdges): Promise<Promotion[]> {
  const settled: Promotion[] = [];
  for (const promotion of claimDeadPromotions(edges.ledger)) {
    if (await recoverOrLeave(edges, promotion)) settled.push(promotion);
  }
  return settled;
}

async function recoverOrLeave(edges: PromotionEdges, promotion: Promotion): Promise<boolean> {
  const recovered = await doOrLeave(edges, leftLine(promotion), () => recover(edges, promotion));
  if (!recovered) releasePromotion(edges.ledger, promotion.id);
  return recovered?.value ?? false;
}

export function leftLine(promotion: Promotion): string {
  return said(promotion, 'cannot be finished or undone yet');
}

export type Way = { promotion: Promotion; entries: JournalEntry[]; plan: Recovery };

/** What is to be done for it, by its journal and by what is really there. Changes nothing. */
export async function wayOf(edges: Pick<PromotionEdges, 'ledger' | 'engine'>, promotion: Promotion): Promise<Way> {
  const entries = readJournal(edges.ledger, promotion.id);
  const turnedBack = promotion.undoCode !== null || promotion.alias === drillAlias;
  return { promotion, entries, plan: planRecovery(entries, turnedBack, await lookAround(edges, entries)) };
}

/** @returns false when some of it could not be undone, which is told */
async function recover(edges: PromotionEdges, promotion: Promotion): Promise<boolean> {
  const { id } = promotion;
  const { entries, plan } = await wayOf(edges, promotion);
  if (plan.direction === 'undo') {
    const undone = await undoPromotion(edges, promotion, plan.entries);
    edges.onNote(said(promotion, undone ? 'is undone' : 'could not be undone wholly'));
    return undone;
  }
  const flip = subjectOf(entries, 'flip');
  if (!flip) return false;
  const { after } = flip;
  await (await edges.gateway()).confirmRoute(after.name, findRoute(edges.ledger, after.name));
  const journal = openJournal(edges, id);
  await finishSwitch(edges, journal, promotion, flip, {
    held: subjectOf(entries, 'hold') !== undefined,
    stopped: subjectOf(entries, 'stop') !== undefined,
    left: plan.left,
  });
  await endAsPromoted(edges, journal);
  edges.onNote(said(promotion, 'had switched already and is finished now'));
  return true;
}

export async function endAsPromoted(edges: PromotionEdges, journal: Journal): Promise<void> {
  await edges.failPoint('end: begun');
  const end = { state: 'promoted', endedAtMs: edges.now().getTime(), errorCode: null, errorMessage: null } as const;
  journal.close(() => endPromotion(edges.ledger, journal.promotionId, end));
}

/**
 * Backwards, each step whatever the one before it did: what cannot be undone is said, and left to the next command.
 * @returns whether everything is as it was
 */
export async function undoPromotion(
  edges: PromotionEdges,
  promotion: Promotion,
  entries: readonly JournalEntry[],
): Promise<boolean> {
  const { id, undoCode, undoMessage } = promotion;
  let whole = true;
  for (const entry of entries) whole = (await undoEntry(edges, entry)) && whole;
  if (!whole) {
    releasePromotion(edges.ledger, id);
    return false;
  }
  await edges.failPoint('end: begun');
  endPromotion(edges.ledger, id, {
    state: 'failed',
    endedAtMs: edges.now().getTime(),
    errorCode: undoCode ?? 'OWNER_DIED',
    errorMessage: undoMessage ?? 'The command that ran it died before the switch.',
  });
  return true;
}

async function undoEntry(edges: PromotionEdges, { promotionId, position, subject }: JournalEntry): Promise<boolean> {
  await edges.failPoint(`undo ${subject.step}: begun`);
  try {
    await undoStep(edges, subject);
  } catch (error) {
    edges.onNote(`The step '${subject.step}' could not be undone: ${errorMessage(error)}`);
    return false;
  }
  await edges.failPoint(`undo ${subject.step}: performed`);
  endStep(edges.ledger, { promotionId, position }, 'undone', edges.now().getTime());
  return true;
}

async function lookAround(
  edges: Pick<PromotionEdges, 'ledger' | 'engine'>,
  entries: readonly JournalEntry[],
): Promise<Facts> {
  const flip = subjectOf(entries, 'flip');
  if (!flip) return { routedServer: undefined, candidateAlive: false, formerAlive: false };
  return {
    routedServer: findRoute(edges.ledger, flip.after.name)?.serverId,
    candidateAlive: (await conditionOf(edges, flip.after)) === 'awake',
    // One that sleeps can be woken.
    formerAlive: flip.before !== null && (await conditionOf(edges, flip.before)) !== 'gone',
  };
}

async function conditionOf(
  edges: Pick<PromotionEdges, 'engine'>,
  { engine, serverId, address }: Route,
): Promise<Condition> {
  return serverCondition(await edges.engine(engine), { id: serverId, address });
}

function said({ kind, model, toVersion }: Promotion, what: string): string {
  return `An earlier ${kind} of ${model} to version ${toVersion} was interrupted: it ${what}.`;
}
