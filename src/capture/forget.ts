// Takes a tenant's rows out of what was captured: the journal, and each Parquet file that holds one, written anew without them.
import { existsSync, rmSync } from 'node:fs';

import { MlxError } from '../errors.js';
import { forgetWaiting, lockCaptures, openCaptureJournal } from '../ledger/captures.js';
import { parquetFiles, readParquet, removePartials, writeParquet } from './parquet.js';
import type { CaptureRow } from './row.js';
import { journalFile, lockFile, lockWaitMs, readCaptures } from './store.js';

export type Forgotten = { rows: number; files: number };

/** Without a change: how many rows there are. */
export async function countOfTenant(folder: string, tenant: string): Promise<number> {
  let rows = 0;
  for await (const row of readCaptures(folder)) if (row.tenant === tenant) rows += 1;
  return rows;
}

/** Killed half-way it is safe to repeat. @throws MlxError BUSY */
export async function forgetTenant(folder: string, tenant: string): Promise<Forgotten> {
  const forgotten: Forgotten = { rows: 0, files: 0 };
  if (!existsSync(folder)) return forgotten;
  const unlock = lockCaptures(lockFile(folder), lockWaitMs);
  if (!unlock) {
    throw new MlxError('BUSY', `Another process has worked on ${folder} for more than 10 s.`, {
      hint: 'Run the command again.',
    });
  }
  try {
    // Of a rewrite that was killed: other tenants' words.
    await removePartials(folder);
    const journal = openCaptureJournal(journalFile(folder));
    try {
      forgotten.rows += forgetWaiting(journal, tenant);
    } finally {
      journal.close();
    }
    for (const file of await parquetFiles(folder)) {
      const rows = await rowsOf(file);
      const kept = rows.filter((row) => row.tenant !== tenant);
      if (kept.length === rows.length) continue;
      if (kept.length === 0) rmSync(file);
      else await writeParquet(file, kept);
      forgotten.rows += rows.length - kept.length;
      forgotten.files += 1;
    }
  } finally {
    unlock();
  }
  return forgotten;
}

async function rowsOf(file: string): Promise<CaptureRow[]> {
  const rows: CaptureRow[] = [];
  for await (const row of readParquet(file)) rows.push(row);
  return rows;
}
