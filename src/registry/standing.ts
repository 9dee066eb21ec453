// What became of a release after it was put live: whether it still is, was replaced, rolled back, or taken back by a watch, and why.
// Reads the ledger.
import pc from 'picocolors';

import { listSteps } from '../ledger/promotion-steps.js';
import { isRestart, listPromotions, listRoutes, type Promotion } from '../ledger/promotions.js';
import type { Ledger } from '../ledger/open.js';
import type { CanaryEnd } from './canary-end.js';
import { release, type Release } from './release.js';
import { isLabelled, routeName } from './targets.js';
import { worseText, type Finding } from './watch-verdict.js';

export type StandingRelease = Release & {
  /** `over`: a rehearsal or a canary, of which nothing is left. */
  standing: 'under_way' | 'failed' | 'live' | 'replaced' | 'rolled_back' | 'taken_back' | 'over';
  /** Of one that was rolled back, or taken back by a watch, a canary's end or a person: the code, when, by whom, why, and the release that did it. */
  back: {
    code: string | null;
    atMs: number | null;
    actor: string | null;
    why: string | null;
    release: number | null;
  } | null;
};

const enoughReleases = 10_000;

/** @param newestFirst complete from the newest on: what came after a release says what became of it */
export function standingReleases(ledger: Ledger, newestFirst: readonly Promotion[]): StandingRelease[] {
  const routes = new Set(listRoutes(ledger).map(({ name }) => name));
  return newestFirst.map((promotion, index) => standingIn(ledger, promotion, newestFirst.slice(0, index), routes));
}

export function standingRelease(ledger: Ledger, promotion: Promotion): StandingRelease {
  const routes = new Set(listRoutes(ledger).map(({ name }) => name));
  const releases = listPromotions(ledger, { model: promotion.model, limit: enoughReleases });
  const later = releases.filter(({ id }) => id > promotion.id);
  return standingIn(ledger, promotion, later, routes);
}

/** With its code. Pure. */
export function standingText(shown: StandingRelease): string {
  return `${standingWord(shown)} ${standingCode(shown)}`.trimEnd();
}

/** Pure. */
export function standingWord({ standing }: Pick<StandingRelease, 'standing'>): string {
  const word = standing.replace('_', ' ');
  return colourOf[standing](word);
}

const colourOf: Record<StandingRelease['standing'], (text: string) => string> = {
  under_way: pc.cyan,
  failed: pc.red,
  live: pc.green,
  replaced: pc.dim,
  rolled_back: pc.yellow,
  taken_back: pc.yellow,
  over: pc.dim,
};

/** Why it failed or went back, for programs; empty where there is none. Pure. */
export function standingCode({ standing, errorCode, back }: StandingRelease): string {
  return (standing === 'failed' ? errorCode : back?.code) ?? '';
}

/** Why it is not live any more, or never was; null where nothing went wrong. Pure. */
export function setback({ state, errorMessage, endedAtMs, back }: StandingRelease) {
  if (state === 'failed') return { atMs: endedAtMs, actor: null, why: errorMessage?.split('\n')[0] ?? '' };
  return back && { atMs: back.atMs, actor: back.actor, why: back.why ?? 'no reason was given' };
}

function standingIn(
  ledger: Ledger,
  promotion: Promotion,
  later: readonly Promotion[],
  routes: ReadonlySet<string>,
): StandingRelease {
  const next = later.findLast((one) => isNext(one, promotion));
  return { ...release(promotion), ...standingOf(ledger, promotion, next, routes) };
}

/** The first that moved the same alias after it: a restart of what is live moves nothing. */
function isNext(later: Promotion, { model, alias }: Promotion): boolean {
  const moved = later.state === 'promoted' && !isRestart(later);
  return moved && later.model === model && later.alias === alias;
}

function standingOf(
  ledger: Ledger,
  promotion: Promotion,
  next: Promotion | undefined,
  routes: ReadonlySet<string>,
): Pick<StandingRelease, 'standing' | 'back'> {
  const { state, model, alias, toVersion } = promotion;
  if (state !== 'promoted') return { standing: state === 'failed' ? 'failed' : 'under_way', back: null };
  if (!isLabelled(alias) && (next || !routes.has(routeName(model, alias)) || hasEnded(ledger, promotion.id)))
    return trialEnd(ledger, promotion.id);
  if (!next) return { standing: 'live', back: null };
  if (next.kind !== 'rollback' || next.fromVersion !== toVersion) return { standing: 'replaced', back: null };
  const watched = lastResult<Found>(ledger, promotion.id, 'watch')?.outcome === 'worse';
  const { endedAtMs: atMs, actor, reason: why, id: release } = next;
  const back = { code: watched ? 'WATCH_WORSE' : null, atMs, actor, why, release };
  return { standing: watched ? 'taken_back' : 'rolled_back', back };
}

/** The route may be that of the next one, of which `next` knows nothing until it is promoted. A share after its end: it goes on. */
function hasEnded(ledger: Ledger, id: number): boolean {
  return listSteps(ledger, id).at(-1)?.step === 'end';
}

/** Of a canary, a shadow or a rehearsal that is over. */
function trialEnd(ledger: Ledger, id: number): Pick<StandingRelease, 'standing' | 'back'> {
  const end = lastResult<CanaryEnd>(ledger, id, 'end') ?? endOfOldRelease(ledger, id);
  if (end?.outcome !== 'taken_back') return { standing: 'over', back: null };
  const { code, atMs, actor, reason: why } = end;
  return { standing: 'taken_back', back: { code, atMs, actor, why, release: null } };
}

/** An earlier mlx wrote nothing when a canary ended; its last share says whether it did worse. */
function endOfOldRelease(ledger: Ledger, id: number) {
  const share = lastResult<Found>(ledger, id, 'share');
  if (share?.outcome !== 'worse') return undefined;
  const reason = worseText(share.findings);
  return { outcome: 'taken_back', code: 'WATCH_WORSE', actor: null, reason, atMs: share.atMs };
}

type Found = { outcome: string; findings: Finding[] };

function lastResult<Result>(
  ledger: Ledger,
  id: number,
  name: 'watch' | 'share' | 'end',
): (Result & { atMs: number | null }) | undefined {
  const step = listSteps(ledger, id).findLast((one) => one.step === name);
  if (!step || step.result === null) return undefined;
  return { ...(JSON.parse(step.result) as Result), atMs: step.endedAtMs };
}
