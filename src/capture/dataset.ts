// Captured traffic as a JSONL file of chat rows: filtered, equal rows once, and what cannot be learned from counted.
import { createHash } from 'node:crypto';

import { writeNewFile } from '../dataset/new-file.js';
import { chatRow, type Unusable } from './chat-row.js';
import type { CaptureRow } from './row.js';
import { readCaptures } from './store.js';

export type CaptureFilter = {
  sinceMs: number;
  untilMs: number;
  route?: string | undefined;
  feature?: string | undefined;
  tenant?: string | undefined;
  /** The upstream's name for it, or a version such as `tickets:2`. */
  model?: string | undefined;
  /** undefined: every answer that a client saw. */
  role?: string | undefined;
  /** Answers that ended so. */
  finishReasons: readonly string[];
};

export type CaptureReport = {
  /** Rows that the filter lets through, but for how they ended. */
  captured: number;
  byRoute: Record<string, number>;
  /** Rows that were, or would be, written. */
  rows: number;
  duplicates: number;
  /** Ended otherwise, at the limit of its length say. */
  unfinished: number;
  unusable: Partial<Record<Unusable, number>>;
};

/** @param target undefined: only counts. @throws MlxError FILE_EXISTS, CAPTURE_UNREADABLE */
export async function writeDataset(
  folder: string,
  filter: CaptureFilter,
  target: string | undefined,
): Promise<CaptureReport> {
  const report: CaptureReport = { captured: 0, byRoute: {}, rows: 0, duplicates: 0, unfinished: 0, unusable: {} };
  const lines = datasetLines(folder, filter, report);
  if (target !== undefined) await writeNewFile(target, lines);
  else for await (const line of lines) void line;
  return report;
}

async function* datasetLines(folder: string, filter: CaptureFilter, report: CaptureReport): AsyncGenerator<string> {
  const seen = new Set<string>();
  for await (const row of readCaptures(folder)) {
    if (!matches(row, filter)) continue;
    report.captured += 1;
    report.byRoute[row.route] = (report.byRoute[row.route] ?? 0) + 1;
    if (!filter.finishReasons.includes(row.finishReason ?? '')) {
      report.unfinished += 1;
      continue;
    }
    const chat = chatRow(row);
    if ('unusable' in chat) {
      report.unusable[chat.unusable] = (report.unusable[chat.unusable] ?? 0) + 1;
      continue;
    }
    const line = JSON.stringify(chat);
    const hash = createHash('sha256').update(line).digest('base64');
    if (seen.has(hash)) {
      report.duplicates += 1;
      continue;
    }
    seen.add(hash);
    report.rows += 1;
    yield `${line}\n`;
  }
}

function matches(row: CaptureRow, filter: CaptureFilter): boolean {
  const { sinceMs, untilMs, route, feature, tenant, model, role } = filter;
  const is = (wanted: string | undefined, ...found: (string | null)[]): boolean =>
    wanted === undefined || found.includes(wanted);
  return (
    row.startedAtMs >= sinceMs &&
    row.startedAtMs < untilMs &&
    is(route, row.route) &&
    is(feature, row.feature) &&
    is(tenant, row.tenant) &&
    is(model, row.model, row.version) &&
    (role === undefined ? row.role !== 'shadow' : row.role === role)
  );
}
