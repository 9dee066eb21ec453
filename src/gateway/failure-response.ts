// What a client is told when no upstream answered: what failed, whose it is, and the next thing to do. Pure.
import type { RouteConfig } from '../config/route-schema.js';
import { localUpstream } from '../config/upstream-schema.js';
import { refuse, type GatewayRequest, type GatewayResponse } from './exchange.js';
import type { Doing, GoneServers } from './gone-servers.js';
import type { Plan, Skipped, Step } from './plan.js';
import type { FailureClass, Failed } from './retry.js';
import type { Routing } from './routing.js';

/** Small models are there by then; the next answer says so where one is not. */
const restartTakesS = 5;
/** The next try may be ten minutes off, and a person may have the server up before. */
const longestWaitS = 60;

export function failureResponse(
  request: GatewayRequest,
  route: RouteConfig,
  { destination }: Step,
  failed: Failed,
  doingAbout: GoneServers['doingAbout'],
): GatewayResponse {
  const failure = 'failure' in failed ? failed.failure : 'broken';
  request.trace.errorClass = failure;
  const { target, id } = destination;
  const own = target.upstream === localUpstream;
  const doing = own ? doingAbout(id) : undefined;
  // Who breaks off, or is slow, is there: only one that nobody was at, or that is started again right now, is told as gone.
  if (doing && (failure === 'connect_failed' || doing === 'starting')) return comesBack(request, route, doing);
  return refuse(request, {
    status: failure.endsWith('_timeout') ? 504 : 502,
    type: 'server_error',
    code: failure.endsWith('_timeout') ? 'upstream_timeout' : 'upstream_failed',
    message: own
      ? ownWords(failure, route, target.model, id)
      : otherWords(failure, `${target.upstream}/${target.model}`),
  });
}

/** Nothing could be asked at all. */
export function noUpstream(
  request: GatewayRequest,
  route: RouteConfig,
  { steps, skipped }: Plan,
  closedForMs: (id: string) => number,
  doingAbout: GoneServers['doingAbout'],
): GatewayResponse {
  request.trace.errorClass = skipped.some(({ reason }) => reason === 'breaker_open') ? 'breaker_open' : 'no_upstream';
  const ids = [...steps.map(({ destination }) => destination.id), ...skipped.flatMap(({ id }) => id ?? [])];
  // Whoever is to be started later may be back by now, started by hand or by Docker: nobody has asked it since its breaker opened.
  if (ids.some((id) => doingAbout(id) === 'starting')) return comesBack(request, route, 'starting');
  const reasons = skipped.map((one) => reasonText(one, closedForMs));
  // Its breaker let one request pass to see whether it answers again, and this is another one.
  if (reasons.length === 0) reasons.push('it failed too often just now, and one request is trying it already');
  const retryAfterS = Math.max(1, Math.ceil(Math.min(...ids.map(closedForMs), 10_000) / 1000));
  return refuse(
    request,
    {
      status: 503,
      type: 'server_error',
      code: 'no_upstream',
      message: `No upstream of ${route.name} can be asked now: ${reasons.join('; ')}.`,
    },
    { 'retry-after': String(retryAfterS) },
  );
}

function reasonText({ target, id, reason, why }: Skipped, closedForMs: (id: string) => number): string {
  const text = `${target.upstream}/${target.model}: ${why}`;
  if (reason !== 'breaker_open' || id === undefined) return text;
  const waitMs = closedForMs(id);
  return waitMs > 0
    ? `${text}; it is tried again in ${Math.ceil(waitMs / 1000)} s`
    : `${text}; one request is trying it now`;
}

/** Not a 502, which says that it failed for good: whoever asks again later is answered. */
function comesBack(request: GatewayRequest, { name }: RouteConfig, doing: Doing): GatewayResponse {
  const nextInS = typeof doing === 'string' ? restartTakesS : Math.ceil(doing.nextInMs / 1000);
  const retryAfterS = Math.min(longestWaitS, Math.max(1, nextInS));
  const words =
    doing === 'looking'
      ? 'does not run right now; the gateway is looking after it'
      : doing === 'starting'
        ? 'is gone and is being started again'
        : 'is gone and not up again yet; it is tried again';
  return refuse(
    request,
    {
      status: 503,
      type: 'server_error',
      code: 'server_restarting',
      message: `The model server of ${name} ${words}. Try again in ${retryAfterS} s.`,
    },
    { 'retry-after': String(retryAfterS) },
  );
}

/** The names are the hint: whoever holds the key may know them. */
export function unknownModel(request: GatewayRequest, model: string, { routes }: Routing): GatewayResponse {
  if (routes.size === 0) {
    return refuse(
      request,
      {
        status: 503,
        type: 'server_error',
        code: 'no_route',
        message: 'No model is being served yet. Start one: mlx serve MODEL',
      },
      { 'retry-after': '5' },
    );
  }
  return refuse(request, {
    status: 404,
    type: 'invalid_request_error',
    code: 'model_not_found',
    param: 'model',
    message: `The model '${model.slice(0, 100)}' is not served here. There are: ${[...routes.keys()].join(', ')}`,
  });
}

function ownWords(failure: FailureClass, route: RouteConfig, model: string, id: string): string {
  if (failure === 'connect_failed')
    return `The model server of ${route.name} does not run. Start it again: mlx serve ${model}`;
  if (failure.endsWith('_timeout'))
    return `The model server of ${route.name} took too long (${failure}). Its log: mlx logs ${id}`;
  return `The model server of ${route.name} broke off before its answer. Its log: mlx logs ${id}`;
}

function otherWords(failure: FailureClass, name: string): string {
  const words: Record<FailureClass, string> = {
    connect_failed: 'could not be reached',
    connect_timeout: 'could not be reached in time',
    first_byte_timeout: 'did not begin to answer in time',
    idle_timeout: 'fell silent in the middle of its answer',
    total_timeout: 'took longer than the route allows',
    broken: 'broke off before its answer',
    redirected: 'answered with a redirect, which is never followed',
    gone: 'was not waited for',
  };
  return `${name} ${words[failure]}.`;
}
