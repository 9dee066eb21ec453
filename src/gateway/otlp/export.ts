// Spans on their way to an OTLP endpoint (MLflow's /v1/traces, a collector): collected, sent in batches, at most one under way.
// An endpoint that is slow or gone costs no request anything: spans that find no room are counted and dropped.
import { setTimeout as pause } from 'node:timers/promises';

import { Pool } from 'undici';

import type { Metering } from '../../config/metering.js';
import { errorCode, errorMessage } from '../../errors.js';
import type { TrafficRow } from '../../ledger/traffic.js';
import { requestSpan, type RequestSpan } from './span.js';

export type SpanExport = {
  add: (row: TrafficRow) => void;
  dropped: () => number;
  /** Sends what waits, for a moment. */
  close: () => Promise<void>;
};

export type SpanEdges = { settings: Metering['otlp'] & { endpoint: string }; warn: (line: string) => void };

const batchSpans = 512;
const batchDelayMs = 1_000;
const queueSpans = 4_096;
/** MLflow takes up to 10 s for its first spans on a busy machine. */
const sendTimeoutMs = 30_000;
const closeTimeoutMs = 5_000;

export function openSpanExport({ settings, warn }: SpanEdges): SpanExport {
  const { origin } = new URL(settings.endpoint);
  const pool = prepare(origin);
  const queue: TrafficRow[] = [];
  let [dropped, failing, closed] = [0, false, false];
  let sending: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;
  const sendAll = async (): Promise<void> => {
    while (queue.length > 0) {
      const batch = queue.splice(0, batchSpans);
      const problem = await send(pool, settings, batch);
      if (problem !== undefined) dropped += batch.length;
      if (problem !== undefined && !failing) warn(`Spans cannot be sent to ${origin}: ${problem}. Requests go on.`);
      failing = problem !== undefined;
    }
  };
  const start = (): void => {
    timer = undefined;
    sending ??= sendAll().finally(() => {
      sending = undefined;
      if (queue.length > 0 && !closed) plan();
    });
  };
  const plan = (): void => void (timer ??= setTimeout(start, batchDelayMs).unref());
  return {
    add: (row) => {
      if (queue.length >= queueSpans) dropped += 1;
      else queue.push(row);
      plan();
    },
    dropped: () => dropped,
    close: async () => {
      closed = true;
      clearTimeout(timer);
      start();
      await Promise.race([sending, pause(closeTimeoutMs, undefined, { ref: false })]);
      await pool.destroy();
    },
  };
}

function prepare(origin: string): Pool {
  void loadEncoder();
  return new Pool(origin, { connections: 1, connect: { timeout: sendTimeoutMs } });
}

/** OpenTelemetry's part is large, and only loaded where spans are sent. */
const loadEncoder = () => import('./encode.js');

/** @returns what went wrong, without a word of what the endpoint said */
async function send(
  pool: Pool,
  settings: SpanEdges['settings'],
  rows: readonly TrafficRow[],
): Promise<string | undefined> {
  try {
    const { contentTypes, encodeSpans } = await loadEncoder();
    const spans: RequestSpan[] = rows.map(requestSpan);
    const { pathname, search } = new URL(settings.endpoint);
    const { statusCode, body } = await pool.request({
      method: 'POST',
      path: pathname + search,
      headers: { ...settings.headers, 'content-type': contentTypes[settings.protocol] },
      body: encodeSpans(spans, settings.protocol),
      headersTimeout: sendTimeoutMs,
      bodyTimeout: sendTimeoutMs,
    });
    await body.dump();
    return statusCode < 300 ? undefined : `status ${statusCode}`;
  } catch (error) {
    return errorCode(error) ?? errorMessage(error);
  }
}
