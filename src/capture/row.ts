// One captured question with its answer, as the journal and the Parquet files hold it: what people wrote is redacted already.
import { z } from 'zod';

const text = z.string().nullable();

export const captureSchema = z.object({
  requestId: z.string(),
  startedAtMs: z.number(),
  /** `primary`, `canary`, `fallback`; `shadow`: nobody saw this answer, and the other row of this request has the one they saw. */
  role: z.string(),
  route: z.string(),
  /** `chat`, `completions`, `responses` or `messages`: the client's wire format, which `request` and `answer` have. */
  operation: z.string(),
  upstream: text,
  model: text,
  version: text,
  digest: text,
  keyId: text,
  tenant: text,
  feature: text,
  /** `support@3f2a91`, of a prompt template that the route put in. */
  prompt: text,
  finishReason: text,
  inputTokens: z.number().nullable(),
  outputTokens: z.number().nullable(),
  durationMs: z.number(),
  /** Identifiers that became placeholders. */
  identifiers: z.number(),
  /** JSON: what was asked, without what only steers the provider. */
  request: z.string(),
  /** JSON: what was answered, whole, also where it was streamed. */
  answer: z.string(),
});

export type CaptureRow = z.infer<typeof captureSchema>;

type Column = { field: keyof CaptureRow; name: string; type: 'STRING' | 'JSON' | 'INT64' | 'TIMESTAMP' | 'DOUBLE' };

/** Of the Parquet files, in their order. Added to at the end, never renamed: files of earlier versions stay readable. */
export const columns: readonly Column[] = [
  { field: 'requestId', name: 'request_id', type: 'STRING' },
  { field: 'startedAtMs', name: 'started_at', type: 'TIMESTAMP' },
  { field: 'role', name: 'role', type: 'STRING' },
  { field: 'route', name: 'route', type: 'STRING' },
  { field: 'operation', name: 'operation', type: 'STRING' },
  { field: 'upstream', name: 'upstream', type: 'STRING' },
  { field: 'model', name: 'model', type: 'STRING' },
  { field: 'version', name: 'version', type: 'STRING' },
  { field: 'digest', name: 'digest', type: 'STRING' },
  { field: 'keyId', name: 'key_id', type: 'STRING' },
  { field: 'tenant', name: 'tenant', type: 'STRING' },
  { field: 'feature', name: 'feature', type: 'STRING' },
  { field: 'prompt', name: 'prompt', type: 'STRING' },
  { field: 'finishReason', name: 'finish_reason', type: 'STRING' },
  { field: 'inputTokens', name: 'input_tokens', type: 'INT64' },
  { field: 'outputTokens', name: 'output_tokens', type: 'INT64' },
  { field: 'durationMs', name: 'duration_ms', type: 'DOUBLE' },
  { field: 'identifiers', name: 'identifiers', type: 'INT64' },
  { field: 'request', name: 'request', type: 'STRING' },
  { field: 'answer', name: 'answer', type: 'STRING' },
];

/** One answer is one row: a question that went to a shadow, too, has two. */
export function rowName({ requestId, role }: Pick<CaptureRow, 'requestId' | 'role'>): string {
  return `${requestId} ${role === 'shadow' ? 'shadow' : 'served'}`;
}
