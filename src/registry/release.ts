// A promotion or rollback as people and programs see it. Pure.
import pc from 'picocolors';

import type { Promotion } from '../ledger/promotions.js';

export type Release = Omit<Promotion, 'owner' | 'undoCode' | 'undoMessage'>;

/** Who owned it is of no use once it is over. */
export function release(promotion: Promotion): Release {
  const { id, kind, model, alias, fromVersion, toVersion, state, actor, reason } = promotion;
  const { startedAtMs, endedAtMs, errorCode, errorMessage } = promotion;
  return {
    ...{ id, kind, model, alias, fromVersion, toVersion, state, actor, reason },
    ...{ startedAtMs, endedAtMs, errorCode, errorMessage },
  };
}

export function releaseState({ state, errorCode }: Pick<Release, 'state' | 'errorCode'>): string {
  if (state === 'promoted') return pc.green('live');
  return state === 'started' ? pc.cyan('under way') : `${pc.red('failed')} ${errorCode ?? ''}`.trim();
}
