// What becomes of a promotion whose command died, or whose step failed: the rest is done, or all of it is undone. Pure.
import { subjectOf, type JournalEntry, type StepName } from './subjects.js';

/** What is really there now, whatever the journal says. */
export type Facts = {
  /** Server that the route row names. */
  routedServer: string | undefined;
  candidateAlive: boolean;
  /** The server that had the route before. */
  formerAlive: boolean;
};

export type Recovery = { direction: 'finish'; left: StepName[] } | { direction: 'undo'; entries: JournalEntry[] };

/** After the flip, in this order. */
const afterFlip: readonly StepName[] = ['release', 'tags', 'drain'];

/**
 * The route row decides: it is one transaction, and the gateway follows it. A promotion that was turned back already goes on
 * back; one whose old server may be stopped already can only go on.
 */
export function planRecovery(entries: readonly JournalEntry[], turnedBack: boolean, facts: Facts): Recovery {
  return goesOn(entries, turnedBack, facts)
    ? { direction: 'finish', left: afterFlip.filter((step) => isLeft(entries, step)) }
    : { direction: 'undo', entries: entries.filter(({ state }) => state !== 'undone').toReversed() };
}

export function isPastReturn(entries: readonly JournalEntry[]): boolean {
  return subjectOf(entries, 'drain') !== undefined;
}

function goesOn(entries: readonly JournalEntry[], turnedBack: boolean, facts: Facts): boolean {
  if (isPastReturn(entries)) return true;
  const flip = subjectOf(entries, 'flip');
  if (turnedBack || flip === undefined || facts.routedServer !== flip.after.serverId) return false;
  return facts.candidateAlive || !facts.formerAlive;
}

/** Only what was held is to be released. */
function isLeft(entries: readonly JournalEntry[], step: StepName): boolean {
  if (step === 'release' && subjectOf(entries, 'hold') === undefined) return false;
  return !entries.some(({ subject, state }) => subject.step === step && state === 'done');
}
