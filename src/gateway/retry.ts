// What becomes of a request whose attempt failed before the first byte of an answer. Pure; the table that the tests hold.

/** Why there is no answer of an upstream. `gone`: the client left. */
export type FailureClass =
  | 'connect_failed'
  | 'connect_timeout'
  | 'first_byte_timeout'
  | 'idle_timeout'
  | 'total_timeout'
  | 'broken'
  | 'redirected'
  | 'gone';

export type Failed = { failure: FailureClass } | { status: number; retryAfterMs?: number | undefined };

/** `retry`: the same target again, after the delay. `next`: the next target. `end`: the client gets it as it is. */
export type Decision = { kind: 'retry'; delayMs: number } | { kind: 'next' } | { kind: 'end' };

export type Position = { retriesLeft: number; hasNext: boolean; mayRetry: boolean; random: number; retry: number };

const busy = new Set([429, 502, 503, 504, 529]);
const firstDelayMs = 100;
const longestDelayMs = 2_000;
/** An upstream that asks for a longer pause is left alone. */
export const longestRetryAfterMs = 5_000;

/** Whether the upstream itself failed: what its breaker counts. The request's own faults (4xx) never do. */
export function isUpstreamFault(failed: Failed): boolean {
  if ('failure' in failed) return failed.failure !== 'gone';
  return failed.status >= 500 || failed.status === 429 || failed.status === 401;
}

/** Whether another target might answer where this one did not. A request that is wrong is wrong everywhere. */
export function decide(failed: Failed, position: Position): Decision {
  if ('failure' in failed && (failed.failure === 'gone' || failed.failure === 'total_timeout')) return { kind: 'end' };
  if ('status' in failed && failed.status < 500 && failed.status !== 429 && failed.status !== 408)
    return { kind: 'end' };
  const delayMs = retryDelayMs(failed, position);
  if (delayMs !== undefined && position.retriesLeft > 0 && position.mayRetry) return { kind: 'retry', delayMs };
  return position.hasNext ? { kind: 'next' } : { kind: 'end' };
}

/**
 * undefined: the same target is not asked again. Only where nothing was begun (no connection), or where the upstream itself
 * said that it is busy: an answer that broke off may have cost money already. Full jitter:
 * https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
 */
function retryDelayMs(failed: Failed, { random, retry }: Position): number | undefined {
  const jittered = random * Math.min(longestDelayMs, firstDelayMs * 2 ** retry);
  if ('failure' in failed) {
    return failed.failure === 'connect_failed' || failed.failure === 'connect_timeout' ? jittered : undefined;
  }
  if (!busy.has(failed.status)) return undefined;
  if (failed.retryAfterMs === undefined) return jittered;
  return failed.retryAfterMs <= longestRetryAfterMs ? failed.retryAfterMs + jittered : undefined;
}

/** `retry-after`: seconds or a date. https://www.rfc-editor.org/rfc/rfc9110#field.retry-after */
export function parseRetryAfter(value: string | undefined, nowMs: number): number | undefined {
  if (value === undefined) return undefined;
  if (/^\d+(\.\d+)?$/.test(value)) return Number(value) * 1000;
  const atMs = Date.parse(value);
  return Number.isNaN(atMs) ? undefined : Math.max(0, atMs - nowMs);
}

/** Retries are at most a tenth of the requests, with a few to begin with: a storm of them would keep an upstream down. */
export type RetryBudget = { countRequest: () => void; left: () => boolean; spend: () => void };

export function openRetryBudget(): RetryBudget {
  const most = 10;
  let credit = most;
  return {
    countRequest: () => void (credit = Math.min(most, credit + 0.1)),
    left: () => credit >= 1,
    spend: () => void (credit -= 1),
  };
}
