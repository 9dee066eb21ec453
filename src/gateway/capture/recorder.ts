// What routes capture, on its way to .mlx/captures: redacted and written after the answer, one after the other, between requests.
// Whatever fails here costs a row and an alarm, never an answer.
import { existsSync } from 'node:fs';
import { setImmediate as nextTurn } from 'node:timers/promises';

import { forgetOldCaptures, journalFile, rotateCaptures } from '../../capture/store.js';
import { errorCode, errorMessage } from '../../errors.js';
import { openCaptureJournal, type CaptureJournal, type WaitingRow } from '../../ledger/captures.js';
import type { TrafficRow } from '../../ledger/traffic.js';
import type { RedactionRules } from '../../privacy/redact-request.js';
import type { GatewayRequest } from '../exchange.js';
import type { Stages } from '../stages.js';
import { ticketOf } from '../tickets.js';
import { capturedRow } from './captured-row.js';
import { takenLimitBytes, tapAnswer, type Taken } from './tap.js';

export type Captures = {
  stage: Stages['capture'];
  /** Once the answer is over. Returns at once. */
  record: (row: TrafficRow, request: GatewayRequest) => void;
  /** Answers that should have been captured and were not, since the start. */
  lost: () => number;
  /** Writes what waits. */
  close: () => Promise<void>;
};

export type CaptureEdges = {
  folder: string;
  /** Of a route's requests; 0: none. */
  percentOf: (route: string) => number;
  keepDays: () => number;
  rulesOf: (route: string) => RedactionRules;
  now: () => Date;
  warn: (line: string) => void;
  log: (event: string, fields: Record<string, unknown>) => void;
};

type Waiting = { row: TrafficRow; request: GatewayRequest; taken: Taken };

const queueLimitBytes = 64 * 1024 * 1024;
const batchRows = 50;
const tidyEveryMs = 60_000;
const dayMs = 86_400_000;

export function openCaptures(edges: CaptureEdges): Captures {
  const { folder, now } = edges;
  const alarm = openAlarm(edges);
  const queue: Waiting[] = [];
  let queuedBytes = 0;
  let working: Promise<void> | undefined;
  let journal: CaptureJournal | undefined;
  const opened = (): CaptureJournal => (journal ??= openCaptureJournal(journalFile(folder)));

  const work = async (): Promise<void> => {
    while (queue.length > 0) {
      const batch = queue.splice(0, batchRows);
      queuedBytes -= bytesOf(batch);
      const rows = await redactedRows(batch, edges, alarm);
      await alarm.watch('written', rows.length, () => (rows.length > 0 ? opened().insert(rows) : undefined));
    }
  };
  const tidy = async (all: boolean): Promise<void> => {
    if (!journal && !existsSync(journalFile(folder))) return;
    await alarm.watch('tidied', 0, async () => {
      await rotateCaptures(folder, opened(), now().getTime(), all);
      await forgetOldCaptures(folder, opened(), now().getTime() - edges.keepDays() * dayMs);
    });
  };
  let tidying = tidy(false);
  const timer = setInterval(() => void (tidying = tidying.then(() => tidy(false))), tidyEveryMs).unref();
  return {
    stage: (request, question, response) => {
      const percent = edges.percentOf(request.trace.route ?? '');
      return percent > 0 ? tapAnswer(request, question, response, percent) : response;
    },
    record: (row, request) => {
      const taken = ticketOf(request.trace).taken;
      if (!taken || row.end !== 'complete' || row.status !== 200) return;
      if (taken.bytes > takenLimitBytes || queuedBytes + taken.bytes > queueLimitBytes) return alarm.count(1);
      queue.push({ row, request, taken });
      queuedBytes += taken.bytes;
      working ??= nextTurn()
        .then(work)
        .finally(() => (working = undefined));
    },
    lost: alarm.lost,
    close: async () => {
      clearInterval(timer);
      await working;
      await tidying;
      await tidy(true);
      journal?.close();
    },
  };
}

/** Others get their turn between two rows: redaction takes as long as the text is. */
async function redactedRows(batch: readonly Waiting[], { rulesOf }: CaptureEdges, alarm: Alarm): Promise<WaitingRow[]> {
  const rows: WaitingRow[] = [];
  for (const { row, request, taken } of batch) {
    await alarm.watch('redacted', 1, async () => {
      const captured = await capturedRow(row, request, taken, rulesOf(row.route ?? ''));
      if (!captured) return alarm.count(1);
      rows.push({ atMs: captured.startedAtMs, tenant: captured.tenant, row: JSON.stringify(captured) });
    });
    await nextTurn();
  }
  return rows;
}

type Doing = 'redacted' | 'written' | 'tidied';
type Alarm = ReturnType<typeof openAlarm>;

/** Says that something began to fail, and that it works again; not each time. Never a word of what was asked or answered. */
function openAlarm({ warn, log }: Pick<CaptureEdges, 'warn' | 'log'>) {
  const failing = new Set<Doing>();
  let lost = 0;
  return {
    lost: () => lost,
    count: (rows: number): void => void (lost += rows),
    watch: async (doing: Doing, rows: number, run: () => void | Promise<void>): Promise<void> => {
      try {
        await run();
        if (!failing.delete(doing)) return;
        warn(`Captured traffic can be ${doing} again; ${lost} answers were not captured since the start.`);
        log('capture_works', { step: doing, lost });
      } catch (error) {
        lost += rows;
        if (failing.has(doing)) return;
        failing.add(doing);
        const why = doing === 'redacted' ? (errorCode(error) ?? 'it failed') : errorMessage(error);
        warn(`Captured traffic cannot be ${doing}: ${why} Requests go on, and are not captured.`);
        log('capture_failed', { step: doing, code: errorCode(error) ?? null });
      }
    },
  };
}

function bytesOf(batch: readonly Waiting[]): number {
  return batch.reduce((sum, { taken }) => sum + taken.bytes, 0);
}
