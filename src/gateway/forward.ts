// One request from its body to its answer: the route, then its upstreams in turn until one answers.
import type { RouteConfig } from '../config/route-schema.js';
import type { Core } from './app.js';
import { sendAttempt, type Asking, type AttemptResult } from './attempt.js';
import { waitFor } from './clock.js';
import type { GenerateEndpoint } from './endpoints.js';
import { refuse, type GatewayRequest, type GatewayResponse, type Handler } from './exchange.js';
import { failureResponse, noUpstream, unknownModel } from './failure-response.js';
import { drawOf, planAttempts, stickyName, type Plan, type Step } from './plan.js';
import { isResponse, parseQuestion, type Question } from './question.js';
import { isHeld, isReplaced, movedStep } from './replaced.js';
import { decide, type Failed } from './retry.js';
import { startShadow } from './shadow.js';

const bodyLimitBytes = 32 * 1024 * 1024;

export function forwardTo(endpoint: GenerateEndpoint, core: Core): Handler {
  return async (request) => {
    const startedMs = core.clock.nowMs();
    request.trace.dialect = endpoint.dialect;
    request.trace.operation = endpoint.operation;
    const body = await request.readBody(bodyLimitBytes);
    if (body === 'too_large') return tooLarge(request);
    const asked = parseQuestion(request, endpoint, body);
    if (isResponse(asked)) return asked;
    request.trace.stream = asked.stream;
    const question = await core.stages.expand(request, asked);
    if (isResponse(question)) return refusedOn(core, request, asked, question);
    const refused = await core.stages.admit(request, question);
    return refused ? refusedOn(core, request, asked, refused) : ask(core, request, question, startedMs);
  };
}

/** So that people see whose clients are refused. */
function refusedOn(
  core: Core,
  request: GatewayRequest,
  { model }: Question,
  refused: GatewayResponse,
): GatewayResponse {
  const route = core.routing().routes.get(model);
  if (route) request.trace.route = route.name;
  return refused;
}

async function ask(
  core: Core,
  request: GatewayRequest,
  question: Question,
  startedMs: number,
): Promise<GatewayResponse> {
  let routing = core.routing();
  if (routing.holds.size > 0) {
    const refused = await core.holds.pass(request, question.model);
    if (refused) return refused;
    routing = core.routing();
  }
  const route = routing.routes.get(question.model);
  if (!route) return unknownModel(request, question.model, routing);
  request.trace.route = route.name;
  const plan = planAttempts(routing, route, {
    breakerOf: core.breakers.stateOf,
    closedForMs: core.breakers.closedForMs,
    canaryDraw: route.canary ? drawOf(stickyText(core, request, route)) : 100,
    shadowDraw: core.random() * 100,
  });
  core.retries.countRequest();
  const asking = { request, question, route, startedMs };
  const response = await attemptInTurn(core, asking, plan);
  if (plan.shadow) startShadow(core, asking, plan.shadow);
  return core.stages.capture(request, question, response);
}

/** Without that to stick to, each request is for itself. */
function stickyText({ random }: Core, { trace, headers }: GatewayRequest, { name, canary }: RouteConfig): string {
  const sticky = canary?.sticky ?? 'key';
  if (sticky === 'request') return String(random());
  const value = sticky === 'key' ? trace.keyId : sticky === 'feature' ? trace.feature : headers[sticky.header];
  return typeof value === 'string' ? stickyName(name, value) : String(random());
}

type Last = { result: AttemptResult; step: Step };

/** Each upstream in the order of the plan, some more than once; all of it before the client has seen a byte. */
async function attemptInTurn(core: Core, asking: Asking, plan: Plan): Promise<GatewayResponse> {
  const { request, route } = asking;
  let last: Last | undefined;
  for (const [index, step] of plan.steps.entries()) {
    const hasNext = index < plan.steps.length - 1;
    const result = await attemptRepeatedly(core, asking, step, hasNext);
    if (result.kind === 'answer') return result.response;
    // What this upstream cannot be asked says nothing of what became of the one before.
    if (result.kind === 'refused' && !last) return result.response;
    if (result.kind !== 'failed') continue;
    last = { result, step };
    if (decide(result.failed, { ...exhausted, hasNext }).kind === 'end') break;
  }
  const { breakers, gone } = core;
  if (last?.result.kind !== 'failed') return noUpstream(request, route, plan, breakers.closedForMs, gone.doingAbout);
  return last.result.response ?? failureResponse(request, route, last.step, last.result.failed, gone.doingAbout);
}

const exhausted = { retriesLeft: 0, mayRetry: false, random: 0, retry: 0 };

/** A switch may begin or end between the plan and the connection, and while an upstream is left alone before it is asked again. */
async function attemptRepeatedly(
  core: Core,
  asking: Asking,
  planned: Step,
  hasNext: boolean,
): Promise<Exclude<AttemptResult, { kind: 'moved' }>> {
  const { request, route } = asking;
  let step = planned;
  for (let retry = 0; ;) {
    if (isHeld(core.routing(), route.name, step)) {
      const held = await core.holds.pass(request, route.name);
      if (held) return { kind: 'refused', response: held };
    }
    step = movedStep(core.routing(), step) ?? step;
    const result = await sendAttempt(core, asking, step);
    if (result.kind === 'moved') continue;
    if (result.kind !== 'failed') return result;
    if (isNeverConnected(result.failed) && isReplaced(core.routing(), route.name, step)) continue;
    const decision = decide(result.failed, {
      retriesLeft: route.retries - retry,
      hasNext,
      mayRetry: core.retries.left(),
      random: core.random(),
      retry,
    });
    if (decision.kind !== 'retry') return result;
    core.retries.spend();
    if (!(await waitFor(core.clock, decision.delayMs, request.departure))) return result;
    retry += 1;
  }
}

function isNeverConnected(failed: Failed): boolean {
  return 'failure' in failed && failed.failure === 'connect_failed';
}

function tooLarge(request: GatewayRequest): GatewayResponse {
  const limit = `${bodyLimitBytes / 1024 / 1024} MiB`;
  const message = `The body is larger than ${limit}.`;
  return refuse(
    request,
    { status: 413, type: 'invalid_request_error', code: 'body_too_large', message },
    { connection: 'close' },
  );
}
