// The places in the pipeline where others do their part: keys, limits and budgets, redaction, metering. Each is a plain
// function, so that the pipeline knows none of them by name.
import type { Dialect, GatewayRequest, GatewayResponse, Middleware, Operation } from './exchange.js';
import type { Question } from './question.js';

export type Stages = {
  /** Who asks: refuses, or fills `trace.keyId`, `tenant` and `feature`. Wraps every endpoint but `/health`. */
  authorize: Middleware;
  /** Once a request, after its body was parsed: a prompt of the project put in. A response refuses. */
  expand: (request: GatewayRequest, question: Question) => Promise<Question | GatewayResponse>;
  /** Once a request, before a route is chosen: rate limits and budgets. A response refuses. */
  admit: (request: GatewayRequest, question: Question) => Promise<GatewayResponse | undefined>;
  /** Once an attempt, for upstreams that are not local only. undefined: the question may go as it is. A response refuses. */
  redact: (
    request: GatewayRequest,
    question: Question,
    leaving: Leaving,
  ) => Promise<Redacted | GatewayResponse | undefined>;
  /** Once an attempt, local ones too, when the body is ready in the upstream's dialect. */
  meter: (request: GatewayRequest, outgoing: Outgoing) => Metered | undefined;
  /** Once an answer, a shadow's too: the same one, watched on its way where the route keeps what is said. */
  capture: (request: GatewayRequest, question: Question, response: GatewayResponse) => GatewayResponse;
};

export type DataClass = 'private' | 'internal' | 'public';

/** Where a question is about to go. */
export type Leaving = { route: string; dataClass: DataClass; upstream: string; upstreamModel: string };

/** `fields` in the client's dialect; `restore` puts the taken things back into an answer in the upstream's dialect. */
export type Redacted = { fields: Record<string, unknown>; restore: (shape: AnswerShape) => Passage };

export type Outgoing = {
  /** The upstream's. */
  dialect: Dialect;
  operation: Operation;
  upstream: string;
  upstreamModel: string;
  local: boolean;
  stream: boolean;
  /** Whether the answer will be translated: then no event of it reaches the client as it is. */
  translated: boolean;
  fields: Readonly<Record<string, unknown>>;
};

/** `fields`: send these instead (`stream_options`, say). `passage` sees the upstream's own bytes, and may take events out. */
export type Metered = { fields?: Record<string, unknown>; passage: (shape: AnswerShape) => Passage };

export type AnswerShape = { status: number; dialect: Dialect; operation: Operation; streamed: boolean };

/**
 * Bytes on their way to the client. Of a stream, `push` gets one or more whole server-sent events at a time; of any other answer
 * the whole body at once. `end` gives what was held back; it is not called when the answer broke off or the client left.
 */
export type Passage = { push: (bytes: Buffer) => Buffer; end: () => Buffer };
