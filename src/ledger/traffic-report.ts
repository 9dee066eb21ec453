// The traffic log, summed up: by feature, tenant, model, route, upstream, key or day. Percentiles are nearest-rank.
import type { Ledger } from './open.js';

export const trafficGroups = ['feature', 'tenant', 'model', 'route', 'upstream', 'key', 'day'] as const;
export type TrafficGroup = (typeof trafficGroups)[number];

export type Percentiles = { p50: number | null; p95: number | null; p99: number | null };

export type TrafficSummary = {
  /** null: requests without one. */
  group: string | null;
  requests: number;
  errors: number;
  inputTokens: number;
  outputTokens: number;
  cachedInputTokens: number;
  reasoningTokens: number;
  costUsd: number;
  /** Requests whose cost is known, nothing among them. */
  priced: number;
  /** Requests that used tokens and have no known price: the cost is without them. */
  unpriced: number;
  latencyMs: Percentiles;
  firstTokenMs: Percentiles;
};

export type TrafficFilter = { by: TrafficGroup | undefined; sinceMs: number };

const expressions: Record<TrafficGroup, string> = {
  feature: 'feature',
  tenant: 'tenant',
  model: "COALESCE(version, upstream || '/' || model)",
  route: 'route',
  upstream: 'upstream',
  key: 'key_id',
  day: "date(started_at_ms / 1000, 'unixepoch')",
};

/** The costliest first, days in their order. One row for everything when `by` is undefined. */
export function summarizeTraffic(traffic: Ledger, { by, sinceMs }: TrafficFilter): TrafficSummary[] {
  const expression = by === undefined ? 'NULL' : expressions[by];
  const order = by === 'day' ? 'grouped' : 'costUsd DESC, requests DESC';
  const rows = traffic.database
    .prepare(
      `SELECT ${expression} AS grouped, COUNT(*) AS requests, SUM(status >= 400 OR end = 'broken') AS errors,
         TOTAL(input_tokens) AS inputTokens, TOTAL(output_tokens) AS outputTokens, TOTAL(cached_input_tokens) AS cachedInputTokens,
         TOTAL(reasoning_tokens) AS reasoningTokens, TOTAL(cost_usd) AS costUsd,
         SUM(cost_usd IS NOT NULL) AS priced, SUM(cost_usd IS NULL AND input_tokens IS NOT NULL) AS unpriced
       FROM requests WHERE started_at_ms >= ? GROUP BY grouped ORDER BY ${order}`,
    )
    .all(sinceMs) as (Omit<TrafficSummary, 'group' | 'latencyMs' | 'firstTokenMs'> & { grouped: string | null })[];
  const latency = percentilesBy(traffic, expression, 'duration_ms', sinceMs);
  const firstToken = percentilesBy(traffic, expression, 'first_token_ms', sinceMs);
  return rows.map(({ grouped, ...sums }) => ({
    group: grouped,
    ...sums,
    latencyMs: latency.get(grouped) ?? noPercentiles,
    firstTokenMs: firstToken.get(grouped) ?? noPercentiles,
  }));
}

const noPercentiles: Percentiles = { p50: null, p95: null, p99: null };

/** Of answers alone: a refusal is fast and says nothing about how long people wait. */
function percentilesBy(
  traffic: Ledger,
  expression: string,
  column: 'duration_ms' | 'first_token_ms',
  sinceMs: number,
): Map<string | null, Percentiles> {
  const at = (share: number): string => `MAX(CASE WHEN position = CEIL(total * ${share}) THEN value END)`;
  const rows = traffic.database
    .prepare(
      `SELECT grouped, ${at(0.5)} AS p50, ${at(0.95)} AS p95, ${at(0.99)} AS p99 FROM (
         SELECT grouped, value, ROW_NUMBER() OVER (PARTITION BY grouped ORDER BY value) AS position,
           COUNT(*) OVER (PARTITION BY grouped) AS total
         FROM (SELECT ${expression} AS grouped, ${column} AS value FROM requests
           WHERE started_at_ms >= ? AND status < 400 AND ${column} IS NOT NULL)
       ) GROUP BY grouped`,
    )
    .all(sinceMs) as (Percentiles & { grouped: string | null })[];
  return new Map(rows.map(({ grouped, ...percentiles }) => [grouped, percentiles]));
}
