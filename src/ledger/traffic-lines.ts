// Single requests of the traffic log, for `mlx traffic --follow`.
import type { Ledger } from './open.js';

export type TrafficLine = {
  id: number;
  requestId: string;
  startedAtMs: number;
  operation: string;
  route: string | null;
  upstream: string | null;
  model: string | null;
  version: string | null;
  key: string | null;
  tenant: string | null;
  feature: string | null;
  inputTokens: number | null;
  outputTokens: number | null;
  /** The tokens are an estimate. */
  estimated: boolean;
  costUsd: number | null;
  firstTokenMs: number | null;
  durationMs: number;
  status: number;
  end: string;
  errorClass: string | null;
  finishReason: string | null;
  attempts: unknown;
};

const columns = `id, request_id AS requestId, started_at_ms AS startedAtMs, operation, route, upstream, model, version,
  key_id AS key, tenant, feature, input_tokens AS inputTokens, output_tokens AS outputTokens, estimated, cost_usd AS costUsd,
  first_token_ms AS firstTokenMs, duration_ms AS durationMs, status, end, error_class AS errorClass,
  finish_reason AS finishReason, attempts`;

/** Oldest first, at most a thousand at a time. */
export function trafficAfter(traffic: Ledger, id: number): TrafficLine[] {
  const rows = traffic.database
    .prepare(`SELECT ${columns} FROM requests WHERE id > ? ORDER BY id LIMIT 1000`)
    .all(id) as (Omit<TrafficLine, 'estimated'> & { attempts: string; estimated: number })[];
  return rows.map((row) => ({
    ...row,
    estimated: row.estimated === 1,
    attempts: JSON.parse(row.attempts) as unknown,
  }));
}

export function newestTrafficId(traffic: Ledger): number {
  return Number(traffic.database.prepare('SELECT COALESCE(MAX(id), 0) FROM requests').pluck().get());
}
