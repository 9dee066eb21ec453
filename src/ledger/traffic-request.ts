// One request of the traffic log, by the id that its answer carried as `x-request-id`.
import type { Ledger } from './open.js';

export type TrafficRequest = {
  requestId: string;
  startedAtMs: number;
  route: string | null;
  upstream: string | null;
  model: string | null;
  /** `tickets:2`, of a model version of ours. */
  version: string | null;
  digest: string | null;
  keyId: string | null;
  tenant: string | null;
  feature: string | null;
  status: number;
  errorClass: string | null;
  finishReason: string | null;
  durationMs: number;
};

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
