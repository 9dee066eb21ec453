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

/** Between the moment that its id was made and its row's start: both are read from the clock, which may be set in between. */
const nearMs = 60_000;

/** @returns undefined for one that was never asked here, or is forgotten */
export function findRequest(traffic: Ledger, requestId: string): TrafficRequest | undefined {
  const madeAtMs = timeOf(requestId);
  const near = madeAtMs === undefined ? undefined : find(traffic, requestId, madeAtMs - nearMs, madeAtMs + nearMs);
  return near ?? find(traffic, requestId, 0, Number.MAX_SAFE_INTEGER);
}

/** By its start, of which there is an index; there is none of ids. */
function find(traffic: Ledger, requestId: string, sinceMs: number, untilMs: number): TrafficRequest | undefined {
  return traffic.database
    .prepare(
      `SELECT request_id AS requestId, started_at_ms AS startedAtMs, route, upstream, model, version, digest, key_id AS keyId,
         tenant, feature, status, error_class AS errorClass, finish_reason AS finishReason, duration_ms AS durationMs
       FROM requests WHERE started_at_ms BETWEEN ? AND ? AND request_id = ? ORDER BY id DESC LIMIT 1`,
    )
    .get(sinceMs, untilMs, requestId) as TrafficRequest | undefined;
}

/** Ids of requests are UUIDs of version 7, whose first 48 bits are milliseconds: https://www.rfc-editor.org/rfc/rfc9562#section-5.7 */
function timeOf(requestId: string): number | undefined {
  const [, high, low] = /([0-9a-f]{8})-([0-9a-f]{4})-7[0-9a-f]{3}-/.exec(requestId) ?? [];
  return high === undefined || low === undefined ? undefined : Number.parseInt(high + low, 16);
}
