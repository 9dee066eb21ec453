// The running gateway's hand on .mlx/captures: rows into the journal, from time to time from there into Parquet files, old files away.
import { existsSync } from 'node:fs';

import { forgetOldCaptures, journalFile, rotateCaptures } from '../../capture/store.js';
import { openCaptureJournal, type CaptureJournal, type WaitingRow } from '../../ledger/captures.js';
import type { Alarm } from './alarm.js';

export type Keeper = {
  /** @throws MlxError DISK_FULL, BUSY */
  insert: (rows: readonly WaitingRow[]) => void;
  /** Everything into files. */
  close: () => Promise<void>;
};

export type KeeperEdges = { folder: string; keptMs: () => number; now: () => Date };

const tidyEveryMs = 60_000;

/** A project where no route captures gets no folder for it. */
export function openKeeper({ folder, keptMs, now }: KeeperEdges, alarm: Alarm): Keeper {
  let journal: CaptureJournal | undefined;
  const opened = (): CaptureJournal => (journal ??= openCaptureJournal(journalFile(folder)));
  const tidy = async (all: boolean): Promise<void> => {
    if (!journal && !existsSync(journalFile(folder))) return;
    await alarm.watch('tidied', 0, async () => {
      await rotateCaptures(folder, opened(), now().getTime(), all);
      await forgetOldCaptures(folder, opened(), now().getTime() - keptMs());
    });
  };
  let tidying = tidy(false);
  const timer = setInterval(() => void (tidying = tidying.then(() => tidy(false))), tidyEveryMs).unref();
  return {
    insert: (rows) => opened().insert(rows),
    close: async () => {
      clearInterval(timer);
      await tidying;
      await tidy(true);
      journal?.close();
    },
  };
}
