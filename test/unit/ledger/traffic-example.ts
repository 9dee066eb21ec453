// A request as the traffic log keeps it, with everything that a good one has.
import type { TrafficRow } from '../../../src/ledger/traffic.js';

const now = Date.parse('2026-11-20T12:00:00Z');

export function trafficRow(changes: Partial<TrafficRow> = {}): TrafficRow {
  return {
    ...{ requestId: 'req_1', startedAtMs: now, operation: 'chat', dialect: 'openai', stream: false, route: 'tickets' },
    ...{ upstream: 'local', model: 'tickets', version: 'tickets:1', digest: 'sha256:1', keyId: 'a', tenant: 'acme' },
    ...{
      feature: null,
      inputTokens: 10,
      outputTokens: 5,
      cachedInputTokens: 0,
      cacheWriteTokens: 0,
      reasoningTokens: 0,
    },
    ...{ estimated: false, costUsd: 0.25, price: '{"source":"test"}', firstTokenMs: 5, durationMs: 20, status: 200 },
    ...{ end: 'complete' as const, errorClass: null, finishReason: 'stop', attempts: '[]', prompt: null },
    ...changes,
  };
}
