// What the traffic log says of one model version in a span of time: how many requests reached it, how many of them it failed,
// how long answers took and how they ended.
import type { Ledger } from './open.js';

export type VersionFigures = {
  /** That it was asked; those that a fallback answered in the end are among them, as failures. */
  requests: number;
  failures: number;
  /** Of whole answers. */
  latenciesMs: number[];
  firstTokensMs: number[];
  /** Answers by how they ended: `stop`, `length`, ... */
  finishReasons: Record<string, number>;
};

export type FiguresFilter = {
  /** `tickets:2`. */
  version: string;
  sinceMs: number;
  untilMs: number;
  /** Copies that no client saw, instead of requests. */
  shadow?: boolean;
};

/** The newest ones: what was long ago says little. */
const atMost = 1_000;

type Row = {
  version: string | null;
  status: number;
  end: string;
  firstTokenMs: number | null;
  durationMs: number;
  finishReason: string | null;
};

/** @returns figures without a request while there is no log */
export function versionFigures(traffic: Ledger | undefined, filter: FiguresFilter): VersionFigures {
  const rows = traffic ? readRows(traffic, filter) : [];
  const own = rows.filter(({ version }) => version === filter.version);
  const answers = own.filter(({ status, end }) => status < 400 && end === 'complete');
  const finishReasons: Record<string, number> = {};
  for (const { finishReason } of answers)
    if (finishReason !== null) finishReasons[finishReason] = (finishReasons[finishReason] ?? 0) + 1;
  return {
    requests: rows.length,
    failures: rows.length - own.length + own.filter(({ status, end }) => status >= 500 || end === 'broken').length,
    latenciesMs: answers.map(({ durationMs }) => durationMs),
    firstTokensMs: answers.flatMap(({ firstTokenMs }) => (firstTokenMs === null ? [] : [firstTokenMs])),
    finishReasons,
  };
}

function readRows(traffic: Ledger, { version, sinceMs, untilMs, shadow = false }: FiguresFilter): Row[] {
  return traffic.database
    .prepare(
      `SELECT version, status, end, first_token_ms AS firstTokenMs, duration_ms AS durationMs, finish_reason AS finishReason
       FROM requests WHERE started_at_ms >= @sinceMs AND started_at_ms < @untilMs
         AND (version = @version OR EXISTS (SELECT 1 FROM json_each(attempts) WHERE value ->> 'version' = @version))
         AND (request_id LIKE '%-shadow') = @shadow ORDER BY started_at_ms DESC, id DESC LIMIT ${atMost}`,
    )
    .all({ version, sinceMs, untilMs, shadow: shadow ? 1 : 0 }) as Row[];
}
