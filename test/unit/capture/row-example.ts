// A captured row. Loads nothing of vitest: a program that is killed uses it too.
import type { CaptureRow } from '../../../src/capture/row.js';
import type { WaitingRow } from '../../../src/ledger/captures.js';

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
