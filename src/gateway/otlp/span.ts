// A request as a span of OpenTelemetry's GenAI conventions (https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans/),
// from its row of the traffic log alone: what was asked and answered is not there, and cannot be sent. Pure.
import { createHash } from 'node:crypto';

import type { TrafficRow } from '../../ledger/traffic.js';

export type Attribute = string | number | boolean | string[];

export type RequestSpan = {
  /** 32 and 16 hex digits. */
  traceId: string;
  spanId: string;
  name: string;
  startMs: number;
  endMs: number;
  attributes: Record<string, Attribute>;
  failed: boolean;
};

const operationNames: Record<string, string> = {
  chat: 'chat',
  messages: 'chat',
  responses: 'chat',
  completions: 'text_completion',
  embeddings: 'embeddings',
};

export function requestSpan(row: TrafficRow): RequestSpan {
  const operation = operationNames[row.operation] ?? row.operation;
  const hash = createHash('sha256').update(row.requestId).digest('hex');
  return {
    // The request's own id, so that a row, a line of the log and a span find each other.
    traceId: /[0-9a-f-]{36}$/.exec(row.requestId)?.[0].replaceAll('-', '') ?? hash.slice(0, 32),
    spanId: hash.slice(32, 48),
    name: row.model === null ? operation : `${operation} ${row.model}`,
    startMs: row.startedAtMs,
    endMs: row.startedAtMs + row.durationMs,
    attributes: attributesOf(row, operation),
    failed: row.status >= 400 || row.end === 'broken',
  };
}

function attributesOf(row: TrafficRow, operation: string): Record<string, Attribute> {
  const found: Record<string, Attribute | null> = {
    'gen_ai.operation.name': operation,
    'gen_ai.provider.name': row.upstream,
    'gen_ai.request.model': row.route,
    'gen_ai.request.stream': row.stream,
    'gen_ai.response.model': row.model,
    'gen_ai.response.finish_reasons': row.finishReason === null ? null : [row.finishReason],
    'gen_ai.response.time_to_first_chunk': row.firstTokenMs === null ? null : row.firstTokenMs / 1000,
    'gen_ai.usage.input_tokens': row.inputTokens,
    'gen_ai.usage.output_tokens': row.outputTokens,
    'gen_ai.usage.cache_read.input_tokens': row.cachedInputTokens,
    'gen_ai.usage.cache_creation.input_tokens': row.cacheWriteTokens,
    'gen_ai.usage.reasoning.output_tokens': row.reasoningTokens,
    'http.response.status_code': row.status,
    'error.type': row.errorClass,
    'mlx.request_id': row.requestId,
    'mlx.version': row.version,
    'mlx.version.digest': row.digest,
    'mlx.key': row.keyId,
    'mlx.tenant': row.tenant,
    'mlx.feature': row.feature,
    'mlx.cost_usd': row.costUsd,
    'mlx.usage.estimated': row.estimated,
    'mlx.end': row.end,
    'mlx.prompt': row.prompt,
  };
  return Object.fromEntries(Object.entries(found).filter((entry): entry is [string, Attribute] => entry[1] !== null));
}
