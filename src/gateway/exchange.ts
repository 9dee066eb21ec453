// One request and its answer as the gateway's core sees them: no sockets and no Node streams, so that a test, or another
// server, calls the core directly.
import { errorBody } from './api-error.js';
import type { Departure } from './departure.js';
import type { Ticket } from './tickets.js';

/** Whose wire format: of the client, or of an upstream. */
export type Dialect = 'openai' | 'anthropic';

export type Operation = 'chat' | 'completions' | 'embeddings' | 'responses' | 'messages' | 'count_tokens';

export type GatewayRequest = {
  /** Sent upstream and back as `x-request-id`. */
  id: string;
  method: string;
  /** Path and query as they were sent. */
  target: string;
  /** Lower-case names; repeated ones joined or in a list, as Node does it. */
  headers: Record<string, string | string[] | undefined>;
  /** More than one is an attempt to confuse somebody on the way. */
  hostHeaders: number;
  readBody: (limitBytes: number) => Promise<Buffer | 'too_large'>;
  departure: Departure;
  /** Calls back once the answer was written to its end, or will not be. */
  whenOver: (run: () => void) => void;
  /** What the log line will say; filled in on the way. */
  trace: Trace;
};

/** Tokens as OpenTelemetry's GenAI conventions count them: cached ones are part of the input, reasoning ones of the output. */
export type Usage = {
  inputTokens: number;
  outputTokens: number;
  /** Read from the provider's cache, and written to it: parts of the input with prices of their own. */
  cachedInputTokens: number;
  cacheWriteTokens: number;
  reasoningTokens: number;
};

/** One try at one upstream. `status` null: there was no answer. */
export type Attempt = {
  upstream: string;
  model: string;
  /** Of a model version of ours: a canary that failed is counted, whoever answered in the end. */
  version?: string | undefined;
  status: number | null;
  errorClass: string | null;
  durationMs: number;
};

export type Trace = {
  dialect?: Dialect;
  operation?: Operation;
  route?: string;
  /** Why this upstream: a shadow's trace is one of its own. */
  role?: 'primary' | 'canary' | 'fallback' | 'shadow';
  /** `local`, or a name of `upstreams:`. Of the attempt that was answered, else of the last one. */
  upstream?: string;
  upstreamModel?: string;
  /** `tickets:2`, of a local model. */
  version?: string | undefined;
  digest?: string | undefined;
  keyId?: string;
  tenant?: string;
  feature?: string;
  stream?: boolean;
  /** `answer@3f2a91c04b7e`: a prompt of the project and the beginning of its hash. */
  prompt?: string;
  attempts: Attempt[];
  usage?: Usage;
  finishReason?: string;
  /** From the arrival of the request to the first bytes of the answer. */
  firstTokenMs?: number;
  /** A code such as `connect_failed`; of the request as a whole. */
  errorClass?: string;
  /** In words, for the log alone. */
  failure?: string;
  /** What budgets and metering remember until the end. */
  ticket?: Ticket;
};

export type GatewayResponse = {
  status: number;
  headers: Record<string, string>;
  /** A stream that throws tears the connection down: the client must see that the answer is not whole. */
  body: string | Uint8Array | AsyncIterable<Uint8Array>;
};

export type Handler = (request: GatewayRequest) => Promise<GatewayResponse>;

/** Wraps what comes after it. */
export type Middleware = (next: Handler) => Handler;

/** The first one is the outermost. */
export function compose(middleware: readonly Middleware[], handler: Handler): Handler {
  return middleware.reduceRight((next, wrap) => wrap(next), handler);
}

export function jsonResponse(status: number, value: unknown, headers: Record<string, string> = {}): GatewayResponse {
  return { status, headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(value) };
}

/** `type` is OpenAI's; Anthropic's follows from the status. */
export type Refusal = { status: number; type: string; code: string; message: string; param?: string };

/** An error in the words of the client's own dialect. */
export function refuse(
  request: Pick<GatewayRequest, 'id' | 'trace'>,
  refusal: Refusal,
  headers: Record<string, string> = {},
): GatewayResponse {
  const { dialect = 'openai' } = request.trace;
  const ids = { 'x-request-id': request.id, ...(dialect === 'anthropic' ? { 'request-id': request.id } : {}) };
  return jsonResponse(refusal.status, errorBody(dialect, refusal, request.id), { ...ids, ...headers });
}
