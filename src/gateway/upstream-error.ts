// An upstream's refusal in the client's dialect. In the same dialect it passes as it is; FastAPI's own (`{"detail": ...}`) and
// others are put into the right shape. A key of ours is in none of them.
import { z } from 'zod';

import type { Call } from './call.js';
import { refuse, type GatewayRequest, type GatewayResponse } from './exchange.js';
import type { Question } from './question.js';
import type { Destination } from './routing.js';

const openAiShape = z.object({ error: z.object({ message: z.string() }), type: z.literal('error').optional() });
const anthropicShape = openAiShape.required({ type: true });
const fastApiShape = z.object({ detail: z.union([z.string(), z.array(z.object({ msg: z.string() }))]) });

const limitBytes = 1024 * 1024;

/** @throws CallError when the refusal itself breaks off */
export async function upstreamErrorResponse(
  request: GatewayRequest,
  question: Question,
  destination: Destination,
  path: string,
  call: Call,
): Promise<GatewayResponse> {
  const headers = keptHeaders(call);
  if (call.status === 401) {
    call.cancel();
    // Its text may show a part of our key; and to the client it would say that the client's own key is wrong.
    return withHeaders(unauthorized(request, destination), { 'x-should-retry': 'false' });
  }
  const text = withoutSecret(await readText(call), destination.secret);
  const value = parse(text);
  const shape = question.dialect === 'anthropic' ? anthropicShape : openAiShape;
  if (question.dialect === destination.dialect && shape.safeParse(value).success) {
    const own = { 'content-type': 'application/json', 'x-request-id': request.id, ...headers };
    return { status: call.status, headers: own, body: text };
  }
  return withHeaders(reshaped(request, value, call.status, destination, path), headers);
}

function reshaped(
  request: GatewayRequest,
  value: unknown,
  status: number,
  { target }: Destination,
  path: string,
): GatewayResponse {
  const client = status < 500;
  const missing = (status === 404 || status === 405) && !openAiShape.safeParse(value).success;
  return refuse(request, {
    status,
    type: client ? 'invalid_request_error' : 'server_error',
    code: missing ? 'unsupported_endpoint' : client ? 'refused_by_server' : 'upstream_failed',
    message: missing
      ? `${target.upstream}/${target.model} does not offer ${path}.`
      : `${target.upstream}/${target.model} answered with status ${status}${reasonOf(value)}.`,
  });
}

function reasonOf(value: unknown): string {
  const said = openAiShape.safeParse(value).data?.error.message;
  if (said !== undefined) return `: ${said.replace(/\.$/, '')}`;
  const detail = fastApiShape.safeParse(value).data?.detail;
  if (detail === undefined) return '';
  return `: ${typeof detail === 'string' ? detail : detail.map(({ msg }) => msg).join('; ')}`;
}

function unauthorized(request: GatewayRequest, { target }: Destination): GatewayResponse {
  return refuse(request, {
    status: 502,
    type: 'server_error',
    code: 'upstream_unauthorized',
    message: `${target.upstream} refused the key that this gateway has for it; its owner must renew it.`,
  });
}

async function readText(call: Call): Promise<string> {
  const parts: Buffer[] = [];
  let size = 0;
  for (let part = await call.read(); part !== undefined && size < limitBytes; part = await call.read()) {
    parts.push(part);
    size += part.length;
  }
  call.cancel();
  return Buffer.concat(parts).toString('utf8');
}

function withoutSecret(text: string, secret: string | undefined): string {
  return secret === undefined || secret === '' ? text : text.replaceAll(secret, '***');
}

function keptHeaders(call: Call): Record<string, string> {
  const retryAfter = call.headers['retry-after'];
  return typeof retryAfter === 'string' ? { 'retry-after': retryAfter } : {};
}

function withHeaders(response: GatewayResponse, headers: Record<string, string>): GatewayResponse {
  return { ...response, headers: { ...response.headers, ...headers } };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
