// One request and its answer as the gateway's core sees them: no sockets and no Node streams, so that a test, or another
// server, calls the core directly.
import { apiError } from './openai-error.js';

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
  /** Aborted when the client went away. */
  signal: AbortSignal;
  /** What the log line will say; filled in on the way. */
  trace: Trace;
};

export type Trace = { route?: string; version?: string; failure?: string };

export type GatewayResponse = {
  status: number;
  headers: Record<string, string>;
  /** A stream that throws tears the connection down: the client must see that the answer is not whole. */
  body: string | AsyncIterable<Uint8Array>;
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

export type Refusal = { status: number; type: string; code: string; message: string; param?: string };

/** An error as OpenAI's clients expect it. */
export function refuse(refusal: Refusal, headers: Record<string, string> = {}): GatewayResponse {
  return jsonResponse(refusal.status, apiError(refusal), headers);
}
