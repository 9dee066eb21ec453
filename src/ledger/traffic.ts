// The traffic log, traffic.db: one row a request of the gateway, and what was spent by day. Never what was asked or answered.
// A database of its own, so that requests never wait for a run or a promotion, nor those for requests.
import { existsSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';

import Database from 'better-sqlite3';

import { errorCode, MlxError } from '../errors.js';
import { migrate } from './migrations.js';
import { wrapSqliteError, type Ledger } from './open.js';
import type { DaySpending } from './spending.js';
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
    return { database, file, insert: inserter(database), close: () => database.close() };
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

/** The oldest ones first, at most `limit`: a large deletion would hold up requests. What was spent by day stays. */
export function forgetTraffic(traffic: TrafficLog, beforeMs: number, limit: number): void {
  traffic.database
    .prepare(
      'DELETE FROM requests WHERE id IN (SELECT id FROM requests WHERE started_at_ms < ? ORDER BY started_at_ms LIMIT ?)',
    )
    .run(beforeMs, limit);
}

/** All rows of a batch in one transaction, with what they add to each day. */
function inserter(database: Database.Database): TrafficLog['insert'] {
  const prices = openPriceIds(database);
  const insertRow =
    database.prepare(`INSERT INTO requests (request_id, started_at_ms, operation, dialect, stream, route,
    upstream, model, version, digest, key_id, tenant, feature, input_tokens, output_tokens, cached_input_tokens,
    cache_write_tokens, reasoning_tokens, estimated, cost_usd, price_id, first_token_ms, duration_ms, status, end, error_class,
    finish_reason, attempts, prompt) VALUES (${Array.from({ length: 29 }, () => '?').join(', ')})`);
  const insertSpending =
    database.prepare(`INSERT INTO spending (day, key_id, tenant, feature, requests, tokens, cost_usd)
    VALUES (@day, @keyId, @tenant, @feature, @requests, @tokens, @costUsd)
    ON CONFLICT (day, key_id, tenant, feature) DO UPDATE SET requests = requests + excluded.requests,
      tokens = tokens + excluded.tokens, cost_usd = cost_usd + excluded.cost_usd`);
  const insertAll = database.transaction((rows: readonly TrafficRow[]) => {
    for (const row of rows) insertRow.run(valuesOf(row, prices.idOf(row.price)));
    for (const spent of spendingOf(rows)) insertSpending.run(spent);
  });
  return (rows) => {
    try {
      insertAll.immediate(rows);
    } catch (error) {
      // What was rolled back took its prices along.
      prices.forget();
      throw trafficError(error, database.name);
    }
  };
}

function valuesOf(row: TrafficRow, priceId: number | null): unknown[] {
  return [
    row.requestId,
    row.startedAtMs,
    row.operation,
    row.dialect,
    row.stream ? 1 : 0,
    row.route,
    row.upstream,
    row.model,
    row.version,
    row.digest,
    row.keyId,
    row.tenant,
    row.feature,
    row.inputTokens,
    row.outputTokens,
    row.cachedInputTokens,
    row.cacheWriteTokens,
    row.reasoningTokens,
    row.estimated ? 1 : 0,
    row.costUsd,
    priceId,
    row.firstTokenMs,
    row.durationMs,
    row.status,
    row.end,
    row.errorClass,
    row.finishReason,
    row.attempts,
    row.prompt,
  ];
}

/** Prices are few and long: each stands once. */
function openPriceIds(database: Database.Database) {
  const known = new Map<string, number>();
  const insert = database.prepare('INSERT INTO prices (price) VALUES (?) ON CONFLICT (price) DO NOTHING');
  const find = database.prepare('SELECT id FROM prices WHERE price = ?').pluck();
  const add = (price: string): number => {
    insert.run(price);
    const id = Number(find.get(price));
    known.set(price, id);
    return id;
  };
  return {
    idOf: (price: string | null): number | null => (price === null ? null : (known.get(price) ?? add(price))),
    forget: () => known.clear(),
  };
}

function trafficError(error: unknown, file: string): unknown {
  const code = errorCode(error) ?? '';
  if (!code.startsWith('SQLITE_CORRUPT') && code !== 'SQLITE_NOTADB') return wrapSqliteError(error, file);
  return new MlxError('TRAFFIC_CORRUPT', `${file} is not a readable traffic log.`, {
    cause: error,
    hint: 'Start the gateway anew; it puts the file aside and begins another: mlx gateway stop && mlx gateway start',
  });
}

const dayMs = 86_400_000;

function spendingOf(rows: readonly TrafficRow[]): Iterable<DaySpending> {
  const sums = new Map<string, DaySpending>();
  for (const row of rows) {
    const { keyId, tenant, feature } = row;
    // The length says where a tenant ends.
    const name = `${Math.floor(row.startedAtMs / dayMs)} ${keyId ?? ''} ${tenant?.length ?? ''} ${tenant ?? ''} ${feature ?? ''}`;
    const sum = sums.get(name) ?? noSpending(row);
    sums.set(name, sum);
    sum.requests += 1;
    sum.tokens += (row.inputTokens ?? 0) + (row.outputTokens ?? 0);
    sum.costUsd += row.costUsd ?? 0;
  }
  return sums.values();
}

function noSpending({ startedAtMs, keyId, tenant, feature }: TrafficRow): DaySpending {
  const day = new Date(startedAtMs).toISOString().slice(0, 10);
  const whose = { keyId: keyId ?? '', tenant: tenant ?? '', feature: feature ?? '' };
  return { day, ...whose, requests: 0, tokens: 0, costUsd: 0 };
}
