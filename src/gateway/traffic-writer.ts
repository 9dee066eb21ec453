// Rows of the traffic log on their way to the disk: collected, and written in batches between requests. A disk that takes none
// holds up nobody: what does not fit in the queue is counted, and said.
import { renameSync } from 'node:fs';

import { errorMessage, isMlxError } from '../errors.js';
import { openTraffic, type TrafficLog, type TrafficRow } from '../ledger/traffic.js';

export type TrafficWriter = {
  record: (row: TrafficRow) => void;
  traffic: TrafficLog;
  /** Rows that were lost since the start. */
  dropped: () => number;
  flush: () => void;
  close: () => void;
};

export type WriterSettings = {
  file: string;
  keptMs: number;
  now: () => Date;
  /** A line for the person who runs the gateway. */
  warn: (line: string) => void;
};

const batchRows = 200;
const batchDelayMs = 50;
const retryDelayMs = 1_000;
/** About 10 MB of memory. */
const queueRows = 20_000;
const forgetEveryMs = 60_000;
const forgetAtOnce = 5_000;

export function openTrafficWriter(settings: WriterSettings): TrafficWriter {
  const { keptMs, now, warn } = settings;
  const traffic = openOrBeginAnew(settings);
  const queue: TrafficRow[] = [];
  let dropped = 0;
  let failing = false;
  let timer: NodeJS.Timeout | undefined;
  const flush = (): void => {
    clearTimeout(timer);
    timer = undefined;
    try {
      insertAll(traffic, queue);
      if (failing) warn(`The traffic log is written again; ${dropped} rows were lost.`);
      failing = false;
    } catch (error) {
      if (!failing) warn(`The traffic log cannot be written: ${errorMessage(error)} Requests go on.`);
      failing = true;
    }
  };
  const stopForgetting = forgetOldRows(traffic, () => now().getTime() - keptMs);
  return {
    traffic,
    record: (row) => {
      queue.push(row);
      if (queue.length > queueRows) dropped += queue.splice(0, queue.length - queueRows).length;
      // Many at once hold up whoever comes in the middle of them.
      if (queue.length >= batchRows && !failing) flush();
      else timer ??= setTimeout(flush, failing ? retryDelayMs : batchDelayMs).unref();
    },
    dropped: () => dropped,
    flush,
    close: () => {
      stopForgetting();
      flush();
      traffic.close();
    },
  };
}

/** What the disk does not take stays in the queue. */
function insertAll(traffic: TrafficLog, queue: TrafficRow[]): void {
  while (queue.length > 0) {
    const batch = queue.slice(0, batchRows);
    traffic.insert(batch);
    queue.splice(0, batch.length);
  }
}

/** The budgets of the day begin at nothing then, and the person is told. */
function openOrBeginAnew({ file, now, warn }: WriterSettings): TrafficLog {
  try {
    return openTraffic(file);
  } catch (error) {
    if (!isMlxError(error, 'TRAFFIC_CORRUPT')) throw error;
    const aside = `${file}.unreadable-${now().toISOString().replaceAll(/[:.]/g, '-')}`;
    renameSync(file, aside);
    warn(`${file} was not readable. It lies in ${aside} now; what budgets had used up is not known any more.`);
    return openTraffic(file);
  }
}

function forgetOldRows(traffic: TrafficLog, beforeMs: () => number): () => void {
  const forgetting = setInterval(() => {
    try {
      traffic.forget(beforeMs(), forgetAtOnce);
    } catch {
      // The next flush meets the same disk, and says so.
    }
  }, forgetEveryMs).unref();
  return () => clearInterval(forgetting);
}
