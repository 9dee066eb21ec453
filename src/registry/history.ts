// What stood behind an alias, as a stack: a promotion puts a version on top, a rollback takes it away. What a rollback without a number
// goes back to, and what the label `previous` names, is the one below the top. Pure but for reading the ledger.
import type { Ledger } from '../ledger/open.js';
import { listSwitches, type Promotion } from '../ledger/promotions.js';
import { listVersions, type ModelVersion } from '../ledger/versions.js';

export type Switch = Pick<Promotion, 'kind' | 'fromVersion' | 'toVersion'>;

export type History = {
  /** Oldest first; the last is live. */
  stood: readonly number[];
  /** Rolled away from, and not live again since: no rollback goes there unless it is named. */
  left: readonly number[];
};

/** What a rollback of `live` goes back to; a version that is not there any more is passed over. `states`: with `started` also by what is under way. */
export function versionBefore(
  ledger: Ledger,
  { model, alias }: Pick<Promotion, 'model' | 'alias'>,
  live: number,
  states: readonly Promotion['state'][] = ['promoted'],
): ModelVersion | undefined {
  const versions = listVersions(ledger, model);
  const earlier = earlierVersions(aliasHistory(ledger, { model, alias }, states), live);
  return earlier.flatMap((number) => versions.find(({ version }) => version === number) ?? [])[0];
}

export function aliasHistory(
  ledger: Ledger,
  { model, alias }: Pick<Promotion, 'model' | 'alias'>,
  states: readonly Promotion['state'][] = ['promoted'],
): History {
  const none: History = { stood: [], left: [] };
  return listSwitches(ledger, { model, alias, states }).reduce(afterSwitch, none);
}

/** Those that a rollback may go back to, nearest first. `live`: what the alias says, should nobody know how it came there. Pure. */
export function earlierVersions(history: History, live: number): number[] {
  return standing(history, live)
    .stood.slice(0, -1)
    .toReversed()
    .filter((version) => version !== live);
}

/** Pure. */
export function afterSwitch(history: History, { kind, fromVersion, toVersion }: Switch): History {
  const before = fromVersion === null ? history : standing(history, fromVersion);
  if (kind === 'promote' || fromVersion === null) return putOn(before, toVersion);
  // What was rolled away from, named by --to, comes back: the rollback from it is undone.
  if (before.left.includes(toVersion)) return putOn(before, toVersion);
  const kept = before.stood.filter((version) => version !== fromVersion);
  const place = kept.lastIndexOf(toVersion);
  const stays = place < 0 ? kept : kept.slice(0, place + 1);
  const gone = before.stood.filter((version) => !stays.includes(version));
  return putOn({ stood: stays, left: [...new Set([...before.left, ...gone])] }, toVersion);
}

/** With `version` on top: what was above it is gone, what was never seen is put there. */
function standing(history: History, version: number): History {
  const place = history.stood.lastIndexOf(version);
  return place < 0 ? putOn(history, version) : { ...history, stood: history.stood.slice(0, place + 1) };
}

function putOn({ stood, left }: History, version: number): History {
  return {
    stood: stood.at(-1) === version ? stood : [...stood, version],
    left: left.filter((other) => other !== version),
  };
}
