// A captured row, and a store in a folder of its own.
import { join } from 'node:path';

import type { CaptureRow } from '../../../src/capture/row.js';
import { journalFile, readCaptures } from '../../../src/capture/store.js';
import { openCaptureJournal, type CaptureJournal, type WaitingRow } from '../../../src/ledger/captures.js';
import { onTestFinished } from 'vitest';
import { scratchFolder } from '../engine/scratch.js';

export const startedAtMs = Date.UTC(2026, 10, 21, 8);

export function captureRow(change: Partial<CaptureRow> = {}): CaptureRow {
  return {
    ...{ requestId: 'req_1', startedAtMs, role: 'primary', route: 'support', operation: 'chat' },
    ...{ upstream: 'local', model: 'tickets', version: 'tickets:2', digest: 'sha256:1', keyId: null },
    ...{ tenant: 'acme', feature: null, prompt: null, finishReason: 'stop' },
    ...{ inputTokens: 12, outputTokens: null, durationMs: 10.5, identifiers: 0 },
    request: JSON.stringify({ messages: [{ role: 'user', content: 'Grüße 🙂' }] }),
    answer: JSON.stringify({ choices: [{ index: 0, message: { role: 'assistant', content: 'Hello' } }] }),
    ...change,
  };
}

export function waitingRow(change: Partial<CaptureRow> = {}): WaitingRow {
  const row = captureRow(change);
  return { atMs: row.startedAtMs, tenant: row.tenant, row: JSON.stringify(row) };
}

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
