// One request of the traffic log, by the id that its answer carried as `x-request-id`.
import type { Ledger } from './open.js';
import type { TrafficRow } from './traffic.js';

export type TrafficRequest = Pick<
  TrafficRow,
  | 'requestId'
  | 'startedAtMs'
  | 'route'
  | 'upstream'
  | 'model'
  | 'version'
  | 'digest'
  | 'keyId'
  | 'tenant'
  | 'feature'
  | 'status'
  | 'errorClass'
  | 'finishReason'
  | 'durationMs'
>;

/** @returns undefined for one that was never asked here, or is forgotten */
export function findRequest(traffic: Ledger, requestId: string): TrafficRequest | undefined {
  return traffic.database
    .prepare(
      `SELECT request_id AS requestId, started_at_ms AS startedAtMs, route, upstream, model, version, digest, key_id AS keyId,
         tenant, feature, status, error_class AS errorClass, finish_reason AS finishReason, duration_ms AS durationMs
       FROM requests WHERE request_id = ? ORDER BY id DESC LIMIT 1`,
    )
    .get(requestId) as TrafficRequest | undefined;
}
