// One finished request as a row of the traffic log. Pure. Nothing of what was asked or answered, nor of a client's own words.
import type { TrafficRow } from '../ledger/traffic.js';
import { endpoints, pathOf, type GenerateEndpoint } from './endpoints.js';
import type { Attempt, Operation } from './exchange.js';
import type { Charge } from './charge.js';
import type { Finished } from './node-server.js';

const operations = new Map<string, Operation>(
  endpoints
    .filter((endpoint): endpoint is GenerateEndpoint => endpoint.kind === 'generate')
    .map(({ method, path, operation }) => [`${method} ${path}`, operation]),
);

/** @returns undefined for a request that asked no model: a list of models, a health check, an unknown path */
export function trafficRow(finished: Finished, charge: Charge, now: Date): TrafficRow | undefined {
  const { request, status, durationMs, end } = finished;
  const { trace } = request;
  const operation = trace.operation ?? operations.get(`${request.method} ${pathOf(request.target)}`);
  if (operation === undefined) return undefined;
  const { usage } = charge;
  return {
    requestId: request.id,
    startedAtMs: Math.round(now.getTime() - durationMs),
    operation,
    dialect: trace.dialect ?? 'openai',
    stream: trace.stream ?? false,
    route: trace.route ?? null,
    upstream: trace.upstream ?? null,
    model: trace.upstreamModel ?? null,
    version: trace.version ?? null,
    digest: trace.digest ?? null,
    keyId: trace.keyId ?? null,
    tenant: trace.tenant ?? null,
    feature: trace.feature ?? null,
    inputTokens: usage?.inputTokens ?? null,
    outputTokens: usage?.outputTokens ?? null,
    cachedInputTokens: usage?.cachedInputTokens ?? null,
    cacheWriteTokens: usage?.cacheWriteTokens ?? null,
    reasoningTokens: usage?.reasoningTokens ?? null,
    estimated: charge.estimated,
    costUsd: charge.costUsd,
    price: charge.price,
    firstTokenMs: trace.firstTokenMs ?? null,
    durationMs,
    status,
    end,
    errorClass: trace.errorClass ?? errorClassOf(finished),
    finishReason: charge.finishReason ?? null,
    attempts: `[${trace.attempts.map(attemptText).join(',')}]`,
    prompt: trace.prompt ?? null,
  };
}

function attemptText({ upstream, model, version, status, errorClass, durationMs }: Attempt): string {
  return JSON.stringify({ upstream, model, version, status, error_class: errorClass, duration_ms: durationMs });
}

function errorClassOf({ status, end }: Finished): string | null {
  if (status >= 400) return `status_${status}`;
  return end === 'complete' ? null : end;
}
