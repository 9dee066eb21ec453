// A store of captured rows in a folder of its own.
import { join } from 'node:path';

import type { CaptureRow } from '../../../src/capture/row.js';
import { journalFile, readCaptures } from '../../../src/capture/store.js';
import { openCaptureJournal, type CaptureJournal } from '../../../src/ledger/captures.js';
import { onTestFinished } from 'vitest';
import { scratchFolder } from '../engine/scratch.js';

export function openStore(): { folder: string; journal: CaptureJournal } {
  const folder = join(scratchFolder(), 'captures');
  const journal = openCaptureJournal(journalFile(folder));
  onTestFinished(() => void journal.close());
  return { folder, journal };
}

export async function allRows(folder: string): Promise<CaptureRow[]> {
  const rows: CaptureRow[] = [];
  for await (const row of readCaptures(folder)) rows.push(row);
  return rows;
}
