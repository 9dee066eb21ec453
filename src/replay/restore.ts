// The rows of a lock from the content store: used when the data files are gone, or no longer what they were.
import { createHash } from 'node:crypto';
import { basename } from 'node:path';

import { readLines } from '../dataset/lines.js';
import type { PreparedDataset } from '../dataset/prepare.js';
import type { RowRecord, SplitRows } from '../dataset/row-hashes.js';
import type { Lock } from '../recipe/lock.js';
import { findContent } from '../store/content.js';

export type RestoredRows = { dataset: PreparedDataset; files: Record<string, string> };

/** Both splits or none. @param rows what stands beside the lock */
export async function restoreRows(
  store: string,
  { dataset }: Lock,
  rows: SplitRows | undefined,
): Promise<RestoredRows | undefined> {
  const files: Record<string, string> = {};
  const restored: SplitRows = {};
  for (const [split, { file_sha256: sha256 }] of Object.entries(dataset)) {
    const file = await findContent(store, sha256);
    if (file === undefined) return undefined;
    files[split] = file;
    restored[split] = await rowRecords(file, rows?.[split] ?? []);
  }
  const splits = Object.entries(dataset).map(([split, { sources, rows: count, file_sha256: sha256 }]) => ({
    split,
    sources,
    rows: count,
    sha256,
  }));
  return { dataset: { splits, rows: restored, warnings: [] }, files };
}

/** Whole hashes again, from the rows themselves; the list beside the lock knows where each came from. */
async function rowRecords(file: string, places: readonly RowRecord[]): Promise<RowRecord[]> {
  const records: RowRecord[] = [];
  for await (const line of readLines(file)) {
    if (!('text' in line)) continue;
    const place = places[records.length];
    const sha256 = createHash('sha256').update(line.text).digest('hex');
    records.push({ sha256, file: place?.file ?? basename(file), line: place?.line ?? line.line });
  }
  return records;
}
