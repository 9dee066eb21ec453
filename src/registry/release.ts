// A promotion or rollback as people and programs see it. Pure.
import { isRestart, type Promotion } from '../ledger/promotions.js';
import { gatewayActor } from './actor.js';

export type Release = Omit<Promotion, 'owner' | 'undoCode' | 'undoMessage'> & {
  /** Of a version that was live already, and whose server was gone. */
  restart: boolean;
  /** Nobody typed it. */
  byGateway: boolean;
};

/** Who owned it is of no use once it is over. */
export function release(promotion: Promotion): Release {
  const { id, kind, model, alias, fromVersion, toVersion, state, actor, reason } = promotion;
  const { startedAtMs, endedAtMs, errorCode, errorMessage } = promotion;
  return {
    ...{ id, kind, model, alias, fromVersion, toVersion, state, actor, reason },
    ...{ startedAtMs, endedAtMs, errorCode, errorMessage },
    ...{ restart: isRestart(promotion), byGateway: actor === gatewayActor },
  };
}

export function releaseKind({ kind, restart, byGateway }: Pick<Release, 'kind' | 'restart' | 'byGateway'>): string {
  if (!restart) return kind;
  return byGateway ? 'auto-restart' : 'restart';
}
