// What the primary and its workers can ask of each other. Everything that must be exact over all of them is the primary's: the
// book of budgets, the breakers, the traffic log, the metrics. Workers answer requests.
import type { ApiKey } from '../../ledger/keys.js';
import type { Estimate, Refused } from '../budget/checks.js';
import type { Reservation } from '../budget/book.js';
import type { Breaker, Verdict } from '../breaker.js';
import type { Taken } from '../capture/tap.js';
import type { Trace } from '../exchange.js';
import type { Care } from '../gone-servers.js';
import type { GatewayConfig } from '../live-routing.js';
import type { Finished } from '../node-server.js';
import type { Routing } from '../routing.js';
import type { AnswerFacts } from '../usage/answer.js';

/** All that requests are answered by; each worker swaps it as a whole. */
export type Snapshot = {
  config: GatewayConfig;
  routing: Routing;
  keys: readonly ApiKey[];
  port: number;
  /** How many workers share what the gateway takes. */
  workers: number;
};

/** `troubled`: failures are counted, so that calls which go well must be told too. */
export type BreakerView = { id: string; state: Breaker['state']; troubled: boolean; closedForMs: number };

/** A finished request as plain data; `ticket` is what its stages remembered. */
export type FinishedReport = Pick<Finished, 'status' | 'durationMs' | 'end'> & {
  request: { id: string; method: string; target: string; trace: Trace };
  reservationId: number | undefined;
  bodyBytes: number;
  /** undefined: no answer was watched. */
  facts: AnswerFacts | undefined;
  outputTokens: number;
  /** Where the route captures. */
  taken: Taken | undefined;
};

/** Of a probe: what ends it. */
export type Probe = { probe: number };

export type PrimaryCalls = {
  /** Once, when a worker begins: the snapshot of now follows, and from then on every change. */
  hello: (nothing: undefined) => void;
  listening: (port: number) => void;
  cannotListen: (code: string) => void;
  reserve: (wanted: { accounts: readonly string[]; estimate: Estimate }) => Promise<Reservation | Refused>;
  /** A request has begun to use a machine of one's own, and has ended it without an answer. */
  busy: (use: { requestId: string; server: string }) => void;
  idle: (requestId: string) => void;
  finished: (report: FinishedReport) => void;
  verdict: (call: { id: string; verdict: Verdict }) => void;
  probe: (id: string) => Probe | undefined;
  probed: (ended: Probe & { verdict: Verdict }) => void;
  /** A request found nobody at that model server. */
  gone: (serverId: string) => void;
  metrics: (nothing: undefined) => Promise<string>;
};

export type WorkerCalls = {
  /** Answered once no request takes what was before. */
  use: (snapshot: Snapshot) => Promise<void>;
  breaker: (view: BreakerView) => void;
  cares: (cares: readonly Care[]) => void;
  inFlight: (nothing: undefined) => Record<string, number>;
  /** Answered once open answers have ended, or the time is over. */
  drain: (timeoutMs: number) => Promise<void>;
};
