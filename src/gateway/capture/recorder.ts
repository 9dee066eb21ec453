// What routes capture, on its way to .mlx/captures: redacted and written after the answer, one after the other, between requests.
// Whatever fails here costs a row and an alarm, never an answer.
import { setImmediate as nextTurn } from 'node:timers/promises';

import type { WaitingRow } from '../../ledger/captures.js';
import type { TrafficRow } from '../../ledger/traffic.js';
import type { RedactionRules } from '../../privacy/redact-request.js';
import type { Finished } from '../node-server.js';
import type { Stages } from '../stages.js';
import { ticketOf } from '../tickets.js';
import { openAlarm, type Alarm, type AlarmEdges } from './alarm.js';
import { capturedRow } from './captured-row.js';
import { openKeeper, type KeeperEdges } from './keeper.js';
import { takenLimitBytes, tapAnswer, type Taken } from './tap.js';

export type Captures = {
  stage: Stages['capture'];
  /** Once the answer is over. Returns at once. */
  record: (row: TrafficRow, request: Finished['request']) => void;
  /** Answers that should have been captured and were not, since the start. */
  lost: () => number;
  /** Writes what waits. */
  close: () => Promise<void>;
};

export type CaptureEdges = AlarmEdges &
  KeeperEdges & {
    /** Of a route's requests; 0: none. */
    percentOf: (route: string) => number;
    rulesOf: (route: string) => RedactionRules;
  };

type Waiting = { row: TrafficRow; request: Finished['request']; taken: Taken };

const queueLimitBytes = 64 * 1024 * 1024;
const batchRows = 50;

export function openCaptures(edges: CaptureEdges): Captures {
  const alarm = openAlarm(edges);
  const keeper = openKeeper(edges, alarm);
  const queue: Waiting[] = [];
  let queuedBytes = 0;
  let working: Promise<void> | undefined;
  const work = async (): Promise<void> => {
    while (queue.length > 0) {
      const batch = queue.splice(0, batchRows);
      queuedBytes -= bytesOf(batch);
      const rows = await redactedRows(batch, edges.rulesOf, alarm);
      if (rows.length > 0) await alarm.watch('written', rows.length, () => keeper.insert(rows));
    }
  };
  return {
    stage: captureStage(edges.percentOf),
    record: (row, request) => {
      const { taken } = ticketOf(request.trace);
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
      await working;
      await keeper.close();
    },
  };
}

export function captureStage(percentOf: CaptureEdges['percentOf']): Stages['capture'] {
  return (request, question, response) => {
    const percent = percentOf(request.trace.route ?? '');
    return percent > 0 ? tapAnswer(request, question, response, percent) : response;
  };
}

/** Others get their turn between two rows: redaction takes as long as the text is. */
async function redactedRows(
  batch: readonly Waiting[],
  rulesOf: CaptureEdges['rulesOf'],
  alarm: Alarm,
): Promise<WaitingRow[]> {
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

function bytesOf(batch: readonly Waiting[]): number {
  return batch.reduce((sum, { taken }) => sum + taken.bytes, 0);
}
