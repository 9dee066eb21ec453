// One HTTP call to an upstream, with a timer for each of its phases and a queue that stops the upstream when the client is slow.
import type { Dispatcher } from 'undici';

import type { PhaseTimeouts } from '../config/route-schema.js';
import { errorCode, errorMessage } from '../errors.js';
import { openChunkQueue, type ChunkQueue } from './chunk-queue.js';
import type { Clock } from './clock.js';
import { watchPhases, type PhaseWatch } from './phases.js';
import type { FailureClass } from './retry.js';

export type CallOptions = {
  path: string;
  headers: Record<string, string>;
  body: Buffer;
  timeouts: PhaseTimeouts;
  clock: Clock;
  /** The client's: once it is gone, the upstream's connection is closed. */
  signal: AbortSignal;
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
    if (options.signal.aborted) {
      options.onSettled();
      return reject(new CallError('gone'));
    }
    const call = newCall(options, reject);
    const { path, headers, body } = options;
    dispatcher.dispatch(
      { method: 'POST', path, headers, body, headersTimeout: 0, bodyTimeout: 0 },
      {
        ...call.handler,
        onResponseStart: (_, status, answered) => {
          // 103 Early Hints and the like come before the answer.
          if (status >= 200) resolve({ status, headers: answered, ...call.answer });
        },
      },
    );
  });
}

/** The dispatcher's callbacks move it on from one side, `read` from the other. */
function newCall({ clock, timeouts, signal, onSettled }: CallOptions, onFailed: (error: CallError) => void) {
  let controller: Dispatcher.DispatchController | undefined;
  let failure: CallError | undefined;
  const queue = openChunkQueue(() => {
    controller?.resume();
    watch.enter('idle');
  });
  const watch = watchPhases(clock, timeouts, (phase) => fail(new CallError(`${phase}_timeout`)));
  const settle = (): void => {
    watch.stop();
    signal.removeEventListener('abort', leave);
    onSettled();
  };
  const fail = (error: CallError): void => {
    if (failure) return;
    failure = error;
    settle();
    controller?.abort(failure);
    onFailed(failure);
    queue.fail(failure);
  };
  const leave = (): void => fail(new CallError('gone'));
  signal.addEventListener('abort', leave);
  const onStart = (given: Dispatcher.DispatchController): void => {
    controller = given;
    // Its time to connect ran out already.
    if (failure) return given.abort(failure);
    watch.enter('first_byte');
  };
  const onEnd = (): void => {
    settle();
    queue.end();
  };
  return { handler: upstreamSide(queue, watch, { onStart, onEnd, fail }), answer: answerSide(queue, watch, leave) };
}

type Turns = {
  onStart: (controller: Dispatcher.DispatchController) => void;
  onEnd: () => void;
  fail: (error: CallError) => void;
};

function upstreamSide(queue: ChunkQueue, watch: PhaseWatch, turns: Turns): Dispatcher.DispatchHandler {
  return {
    onRequestStart: turns.onStart,
    onResponseData: (controller, chunk) => {
      watch.enter('idle');
      if (queue.push(chunk)) return;
      controller.pause();
      watch.pause();
    },
    onResponseEnd: turns.onEnd,
    onResponseError: (_, error) => turns.fail(toCallError(error)),
  };
}

function answerSide(queue: ChunkQueue, watch: PhaseWatch, cancel: () => void): Omit<Call, 'status' | 'headers'> {
  return {
    read: queue.read,
    keepAlive: (bytes, everyMs) => watch.onSilence(everyMs, () => void (queue.hasReader() && queue.push(bytes))),
    cancel,
  };
}

function toCallError(error: unknown): CallError {
  if (error instanceof CallError) return error;
  const code = errorCode(error);
  return new CallError(code !== undefined && connectCodes.has(code) ? 'connect_failed' : 'broken', error);
}
