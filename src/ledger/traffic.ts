// The traffic log, traffic.db: one row a request of the gateway, and what was spent by day. Never what was asked or answered.
// A database of its own, so that requests never wait for a run or a promotion, nor those for requests.
import { existsSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';

import Database from 'better-sqlite3';

import { errorCode, MlxError } from '../errors.js';
import { migrate } from './migrations.js';
import { wrapSqliteError, type Ledger } from './open.js';
import type { DaySpending } from './spending.js';
import { dayMs, openLabels, type KnownLabels } from './traffic-labels.js';
import { trafficSteps } from './traffic-schema.js';

export type TrafficRow = {
  requestId: string;
  startedAtMs: number;
  operation: string;
  dialect: string;
  stream: boolean;
  route: string | null;
  upstream: string | null;
  model: string | null;
  version: string | null;
  digest: string | null;
  keyId: string | null;
  tenant: string | null;
  feature: string | null;
  inputTokens: number | null;
  outputTokens: number | null;
  cachedInputTokens: number | null;
  cacheWriteTokens: number | null;
  reasoningTokens: number | null;
  /** Nobody told the tokens: the answer broke off, or the server counts none. */
  estimated: boolean;
  /** null: no price is known. */
  costUsd: number | null;
  /** The price used, as JSON with its source. */
  price: string | null;
  firstTokenMs: number | null;
  durationMs: number;
  status: number;
  /** How the answer ended for the client. */
  end: 'complete' | 'gone' | 'broken';
  errorClass: string | null;
  finishReason: string | null;
  /** JSON: every try at every upstream. */
  attempts: string;
  /** `support@3f2a91`, of a prompt template that the route put in. */
  prompt: string | null;
};

export type TrafficLog = {
  database: Database.Database;
  file: string;
  insert: (rows: readonly TrafficRow[]) => void;
  /**
   * Rows of requests that began before then; the oldest ones first, at most `limit`: a large deletion would hold up requests. What was
   * spent by day stays. Labels go with the last row of their day.
   */
  forget: (beforeMs: number, limit: number) => void;
  close: () => void;
};

/**
 * WAL with synchronous=NORMAL: the newest rows may be lost in a power cut, never the file, and no request waits for the disk.
 * Nothing is promised on the strength of a row. Source: https://www.sqlite.org/pragma.html#pragma_synchronous
 * @throws MlxError TRAFFIC_CORRUPT, LEDGER_NEWER, BUSY, DISK_FULL
 */
export function openTraffic(file: string): TrafficLog {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  try {
    const database = new Database(file, { timeout: 2_000 });
    database.pragma('journal_mode = WAL');
    database.pragma('synchronous = NORMAL');
    migrate(database, file, trafficSteps);
    const known = openLabels(database);
    const insert = inserter(database, known);
    return { database, file, insert, forget: forgetter(database, known), close: () => database.close() };
  } catch (error) {
    throw trafficError(error, file);
  }
}

/** For commands. @returns undefined while there was no request yet */
export function openTrafficForReading(file: string): Ledger | undefined {
  if (!existsSync(file)) return undefined;
  try {
    const database = new Database(file, { timeout: 10_000, readonly: true });
    return { database, file, close: () => database.close() };
  } catch (error) {
    throw trafficError(error, file);
  }
}

function forgetter(database: Database.Database, known: KnownLabels): TrafficLog['forget'] {
  const forgetRows = database.prepare(`DELETE FROM request_rows WHERE id IN
    (SELECT id FROM request_rows WHERE started_at_ms < ? ORDER BY started_at_ms LIMIT ?)`);
  const forgetLabels = database.prepare(
    `DELETE FROM request_labels WHERE day < COALESCE((SELECT MIN(started_at_ms) / ${dayMs} FROM request_rows), ?)`,
  );
  return (beforeMs, limit) => {
    forgetRows.run(beforeMs, limit);
    if (forgetLabels.run(Math.floor(beforeMs / dayMs)).changes > 0) known.forget();
  };
}

/** All rows of a batch in one transaction, with what they add to each day. */
function inserter(database: Database.Database, known: KnownLabels): TrafficLog['insert'] {
  const insertRow =
    database.prepare(`INSERT INTO request_rows (request_id, started_at_ms, labels_id, input_tokens, output_tokens,
    cached_input_tokens, cache_write_tokens, reasoning_tokens, cost_usd, first_token_ms, duration_ms, attempts)
    VALUES (${Array.from({ length: 12 }, () => '?').join(', ')})`);
  const insertSpending =
    database.prepare(`INSERT INTO spending (day, key_id, tenant, feature, requests, tokens, cost_usd)
    VALUES (@day, @keyId, @tenant, @feature, @requests, @tokens, @costUsd)
    ON CONFLICT (day, key_id, tenant, feature) DO UPDATE SET requests = requests + excluded.requests,
      tokens = tokens + excluded.tokens, cost_usd = cost_usd + excluded.cost_usd`);
  const insertAll = database.transaction((rows: readonly TrafficRow[]) => {
    const spending = new Map<number, DaySpending>();
    for (const row of rows) {
      const labelsId = known.idOf(row);
      insertRow.run(valuesOf(row, labelsId));
      addTo(spending, labelsId, row);
    }
    for (const spent of spending.values()) insertSpending.run(spent);
  });
  return (rows) => {
    try {
      insertAll.immediate(rows);
    } catch (error) {
      // What was rolled back took its labels and prices along.
      known.forget();
      throw trafficError(error, database.name);
    }
  };
}

function valuesOf(row: TrafficRow, labelsId: number): unknown[] {
  return [
    row.requestId,
    row.startedAtMs,
    labelsId,
    row.inputTokens,
    row.outputTokens,
    row.cachedInputTokens,
    row.cacheWriteTokens,
    row.reasoningTokens,
    row.costUsd,
    row.firstTokenMs,
    row.durationMs,
    row.attempts,
  ];
}

/** By labels: rows that share them share their day, key, tenant and feature. */
function addTo(spending: Map<number, DaySpending>, labelsId: number, row: TrafficRow): void {
  const sum = spending.get(labelsId) ?? noSpending(row);
  spending.set(labelsId, sum);
  sum.requests += 1;
  sum.tokens += (row.inputTokens ?? 0) + (row.outputTokens ?? 0);
  sum.costUsd += row.costUsd ?? 0;
}

function noSpending({ startedAtMs, keyId, tenant, feature }: TrafficRow): DaySpending {
  const day = new Date(startedAtMs).toISOString().slice(0, 10);
  const whose = { keyId: keyId ?? '', tenant: tenant ?? '', feature: feature ?? '' };
  return { day, ...whose, requests: 0, tokens: 0, costUsd: 0 };
}

function trafficError(error: unknown, file: string): unknown {
  const code = errorCode(error) ?? '';
  if (!code.startsWith('SQLITE_CORRUPT') && code !== 'SQLITE_NOTADB') return wrapSqliteError(error, file);
  return new MlxError('TRAFFIC_CORRUPT', `${file} is not a readable traffic log.`, {
    cause: error,
    hint: 'Start the gateway anew; it puts the file aside and begins another: mlx gateway stop && mlx gateway start',
  });
}
