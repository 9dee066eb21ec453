// One HTTP call to an upstream, with a timer for each of its phases and a queue that stops the upstream when the client is slow.
import type { Dispatcher } from 'undici';

import type { PhaseTimeouts } from '../config/route-schema.js';
import { errorCode, errorMessage } from '../errors.js';
import { ChunkQueue } from './chunk-queue.js';
import type { Clock } from './clock.js';
import type { Departure } from './departure.js';
import { PhaseWatch } from './phases.js';
import type { FailureClass } from './retry.js';

export type CallOptions = {
  path: string;
  headers: Record<string, string>;
  body: Buffer;
  timeouts: PhaseTimeouts;
  clock: Clock;
  /** The client's: once it is gone, the upstream's connection is closed. */
  departure: Departure;
  /** Once, when the upstream is through with it, however it ended. */
  onSettled: () => void;
};

export type Call = {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  /** undefined at the end. One read at a time. @throws CallError */
  read: () => Promise<Buffer | undefined>;
  /** From now on, `bytes` are read wherever the upstream is silent for so long. */
  keepAlive: (bytes: Buffer, everyMs: number) => void;
  cancel: () => void;
};

/** Why a call has no answer, or no whole one. */
export class CallError extends Error {
  override readonly name = 'CallError';
  constructor(
    readonly failure: FailureClass,
    cause?: unknown,
  ) {
    super(`${failure}${cause === undefined ? '' : ` (${errorCode(cause) ?? errorMessage(cause)})`}`, { cause });
  }
}

/** Codes of a connection that was never made: nothing was sent. */
const connectCodes = new Set([
  'ECONNREFUSED',
  'ENOENT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_DESTROYED',
  'UND_ERR_CLOSED',
  'CERT_HAS_EXPIRED',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'ERR_TLS_CERT_ALTNAME_INVALID',
]);

/** Resolves with the headers. @throws CallError */
export function openCall(dispatcher: Dispatcher, options: CallOptions): Promise<Call> {
  return new Promise((resolve, reject) => {
    if (options.departure.gone()) {
      options.onSettled();
      return reject(new CallError('gone'));
    }
    const { path, headers, body } = options;
    dispatcher.dispatch(
      { method: 'POST', path, headers, body, headersTimeout: 0, bodyTimeout: 0 },
      new UpstreamCall(options, resolve, reject),
    );
  });
}

/** The dispatcher's callbacks move it on from one side, `read` from the other. */
class UpstreamCall implements Call, Dispatcher.DispatchHandler {
  status = 0;
  headers: Call['headers'] = {};
  readonly #onHeaders: (call: Call) => void;
  readonly #onFailed: (error: CallError) => void;
  readonly #onSettled: () => void;
  readonly #stay: () => void;
  readonly #watch: PhaseWatch;
  readonly #queue: ChunkQueue;
  #controller: Dispatcher.DispatchController | undefined;
  #failure: CallError | undefined;
  #settled = false;

  constructor(options: CallOptions, onHeaders: (call: Call) => void, onFailed: (error: CallError) => void) {
    this.#onHeaders = onHeaders;
    this.#onFailed = onFailed;
    this.#onSettled = options.onSettled;
    this.#queue = new ChunkQueue(() => this.#goOn());
    this.#watch = new PhaseWatch(options.clock, options.timeouts, (phase) =>
      this.#fail(new CallError(`${phase}_timeout`)),
    );
    this.#stay = options.departure.onGone(() => this.cancel());
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    // Its time to connect ran out already.
    if (this.#failure) return controller.abort(this.#failure);
    this.#watch.enter('first_byte');
  }

  onResponseStart(_: Dispatcher.DispatchController, status: number, headers: Call['headers']): void {
    // 103 Early Hints and the like come before the answer.
    if (status < 200) return;
    this.status = status;
    this.headers = headers;
    this.#onHeaders(this);
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#watch.enter('idle');
    if (this.#queue.push(chunk)) return;
    controller.pause();
    this.#watch.pause();
  }

  onResponseEnd(): void {
    this.#settle();
    this.#queue.end();
  }

  onResponseError(_: Dispatcher.DispatchController, error: Error): void {
    this.#fail(toCallError(error));
  }

  read(): Promise<Buffer | undefined> {
    return this.#queue.read();
  }

  keepAlive(bytes: Buffer, everyMs: number): void {
    this.#watch.onSilence(everyMs, () => void (this.#queue.hasReader() && this.#queue.push(bytes)));
  }

  cancel(): void {
    // Every stream is cancelled at its end, to be sure: no error is made for that.
    if (!this.#settled) this.#fail(new CallError('gone'));
  }

  #goOn(): void {
    this.#controller?.resume();
    this.#watch.enter('idle');
  }

  #settle(): void {
    this.#settled = true;
    this.#watch.stop();
    this.#stay();
    this.#onSettled();
  }

  #fail(error: CallError): void {
    if (this.#settled) return;
    this.#failure = error;
    this.#settle();
    this.#controller?.abort(error);
    this.#onFailed(error);
    this.#queue.fail(error);
  }
}

function toCallError(error: unknown): CallError {
  if (error instanceof CallError) return error;
  const code = errorCode(error);
  return new CallError(code !== undefined && connectCodes.has(code) ? 'connect_failed' : 'broken', error);
}
