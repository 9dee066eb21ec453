// One attempt at one upstream: asked, its answer relayed from the first byte on, or why there is none.
import type { RouteConfig } from '../config/route-schema.js';
import { errorMessage } from '../errors.js';
import { relayAnswer } from './answer.js';
import type { Core } from './app.js';
import { CallError, openCall, type Call } from './call.js';
import type { Attempt, GatewayRequest, GatewayResponse } from './exchange.js';
import { reportGone } from './gone-servers.js';
import { mayTake, type Step } from './plan.js';
import { prepareQuestion, type Prepared } from './prepare.js';
import { isResponse, type Question } from './question.js';
import { isReplaced } from './replaced.js';
import { isUpstreamFault, parseRetryAfter, type Failed } from './retry.js';
import { upstreamErrorResponse } from './upstream-error.js';

export type AttemptResult =
  | { kind: 'answer'; response: GatewayResponse }
  /** Nothing was sent: this upstream cannot be asked that. */
  | { kind: 'refused'; response: GatewayResponse }
  /** Nothing was sent: its server is being replaced, or was. */
  | { kind: 'moved' }
  /** No call may begin: the breaker's probe is on its way. */
  | { kind: 'closed' }
  /** `response`: the upstream's own words, in the client's dialect. */
  | { kind: 'failed'; failed: Failed; response: GatewayResponse | undefined };

export type Asking = { request: GatewayRequest; question: Question; route: RouteConfig; startedMs: number };

export async function sendAttempt(core: Core, asking: Asking, step: Step): Promise<AttemptResult> {
  const { request, question, route } = asking;
  const { destination } = step;
  // The plan has said so already; this is the last line before the network.
  if (!mayTake(route.dataClass, destination))
    throw new Error(`${route.name} is private: ${destination.id} is not here`);
  noteDestination(request, step);
  const prepared = await prepareQuestion(core.stages, request, question, route, destination);
  if (isResponse(prepared)) return { kind: 'refused', response: prepared };
  const settleBreaker = await core.breakers.begin(destination.id);
  if (!settleBreaker) return { kind: 'closed' };
  // In the same tick in which the call is counted: a switch drains what is counted, and puts its server to sleep.
  if (isReplaced(core.routing(), route.name, step)) {
    settleBreaker('cancelled');
    return { kind: 'moved' };
  }
  const attempt = beginAttempt(core, request, step);
  try {
    const call = await callUpstream(core, asking, step, prepared);
    const result = await resultOf(core, asking, step, prepared, call);
    if (result.kind === 'failed') {
      settleBreaker(isUpstreamFault(result.failed) ? 'failed' : 'well');
      attempt.end(call.status, errorClassOf(result.failed));
    } else {
      settleBreaker('well');
      attempt.end(call.status, null);
    }
    return result;
  } catch (error) {
    const failure = error instanceof CallError ? error.failure : 'broken';
    settleBreaker(failure === 'gone' ? 'cancelled' : 'failed');
    if (failure === 'connect_failed' || failure === 'broken') reportGone(core.gone, destination);
    attempt.end(null, failure);
    request.trace.failure = errorMessage(error);
    return { kind: 'failed', failed: { failure }, response: undefined };
  }
}

function noteDestination({ trace }: GatewayRequest, { role, destination }: Step): void {
  trace.role = role;
  trace.upstream = destination.target.upstream;
  trace.upstreamModel = destination.model;
  trace.version = destination.version;
  trace.digest = destination.digest;
}

function beginAttempt({ clock }: Core, { trace }: GatewayRequest, { destination }: Step) {
  const startedMs = clock.nowMs();
  return {
    end: (status: Attempt['status'], errorClass: Attempt['errorClass']): void => {
      const durationMs = clock.nowMs() - startedMs;
      trace.attempts.push({
        upstream: destination.target.upstream,
        model: destination.model,
        version: destination.version,
        status,
        errorClass,
        durationMs,
      });
    },
  };
}

function callUpstream(
  core: Core,
  { request, route }: Asking,
  { destination }: Step,
  prepared: Prepared,
): Promise<Call> {
  const lease = core.upstreams.lease(destination);
  return openCall(lease.dispatcher, {
    path: prepared.path,
    headers: prepared.headers,
    body: prepared.body,
    timeouts: route.timeouts,
    clock: core.clock,
    departure: request.departure,
    onSettled: lease.release,
  });
}

/** @throws CallError when the answer breaks off before its first byte */
async function resultOf(
  core: Core,
  asking: Asking,
  step: Step,
  prepared: Prepared,
  call: Call,
): Promise<AttemptResult> {
  const { request, question } = asking;
  if (call.status >= 200 && call.status < 300) {
    const response = await relayAnswer({ request, question, core, step, prepared, call });
    request.trace.firstTokenMs = core.clock.nowMs() - asking.startedMs;
    return { kind: 'answer', response };
  }
  if (call.status < 400) {
    call.cancel();
    return { kind: 'failed', failed: { failure: 'redirected' }, response: undefined };
  }
  const retryAfter = call.headers['retry-after'];
  const retryAfterMs = parseRetryAfter(typeof retryAfter === 'string' ? retryAfter : undefined, Date.now());
  const response = await upstreamErrorResponse(request, question, step.destination, prepared.path, call);
  return { kind: 'failed', failed: { status: call.status, retryAfterMs }, response };
}

function errorClassOf(failed: Failed): string {
  if ('failure' in failed) return failed.failure;
  if (failed.status === 429) return 'rate_limited';
  if (failed.status === 401) return 'unauthorized';
  return failed.status < 500 ? 'refused' : 'upstream_error';
}
