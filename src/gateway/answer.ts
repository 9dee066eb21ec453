// An upstream's answer on its way to the client: whole when it is short, in events when it is a stream.
import type { Core } from './app.js';
import type { Asking } from './attempt.js';
import { CallError, type Call } from './call.js';
import type { GatewayRequest, GatewayResponse } from './exchange.js';
import { reportGone } from './gone-servers.js';
import type { Step } from './plan.js';
import type { Prepared } from './prepare.js';
import { modelNamePassage } from './model-name.js';
import { finish, joined, pass, relayEvents, relayRest } from './relay.js';
import type { AnswerShape, Passage } from './stages.js';
import type { Created } from './translation/translator.js';

export type Relaying = Pick<Asking, 'request' | 'question'> & {
  core: Core;
  step: Step;
  prepared: Prepared;
  call: Call;
};

/** A whole answer is read until its end, so that one that breaks off can still be asked for elsewhere; a longer one passes as it comes. */
const wholeLimitBytes = 8 * 1024 * 1024;

/** Resolves once the first byte is there. @throws CallError */
export async function relayAnswer(relaying: Relaying): Promise<GatewayResponse> {
  const { call, request } = relaying;
  const contentType = String(call.headers['content-type'] ?? 'application/json');
  const headers = clientHeaders(relaying, contentType);
  const { status } = call;
  if (!contentType.startsWith('text/event-stream')) return { status, headers, body: await wholeBody(relaying) };
  const first = await call.read();
  if (first === undefined) throw new CallError('broken');
  const passages = passagesOf(relaying, true);
  const translated = streamTranslation(relaying);
  const body = relayEvents({
    first,
    call,
    request,
    operation: relaying.prepared.operation,
    passages: translated ? [...passages, translated] : passages,
    translated: translated !== undefined,
    onBroken: () => {
      const { core, step } = relaying;
      core.breakers.countFailure(step.destination.id);
      reportGone(core.gone, step.destination);
    },
  });
  return { status, headers, body };
}

/** In the upstream's dialect: what sees its own bytes comes first. */
function passagesOf({ prepared, step, call }: Relaying, streamed: boolean): Passage[] {
  const { metered, restore, operation } = prepared;
  const { dialect, model, servedName } = step.destination;
  const shape: AnswerShape = { status: call.status, dialect, operation, streamed };
  return [
    ...(servedName === undefined ? [] : [modelNamePassage(servedName, model)]),
    ...(metered ? [metered.passage(shape)] : []),
    ...(restore ? [restore(shape)] : []),
  ];
}

function streamTranslation({ prepared, question, request }: Relaying): Passage | undefined {
  return prepared.translator?.stream(question.fields, createdBy(request));
}

async function wholeBody(relaying: Relaying): Promise<Uint8Array | AsyncIterable<Uint8Array>> {
  const { call, prepared, request } = relaying;
  const passages = passagesOf(relaying, false);
  const parts: Buffer[] = [];
  let size = 0;
  for (let part = await call.read(); part !== undefined; part = await call.read()) {
    parts.push(part);
    size += part.length;
    if (size > wholeLimitBytes && passages.length === 0 && !prepared.translator) return relayRest(parts, call);
  }
  const sent = parts.length === 1 && parts[0] ? parts[0] : Buffer.concat(parts);
  const passed = passages.length === 0 ? sent : joined(pass(sent, passages), finish(passages));
  return prepared.translator ? translatedBody(relaying, passed, createdBy(request)) : passed;
}

/** @throws CallError when it is not what the upstream's dialect promises */
function translatedBody({ prepared, call }: Relaying, body: Buffer, created: Created): Buffer {
  try {
    return Buffer.from(JSON.stringify(prepared.translator?.answer(JSON.parse(body.toString('utf8')), created)));
  } catch (error) {
    call.cancel();
    throw new CallError('broken', error);
  }
}

function createdBy({ id }: GatewayRequest): Created {
  return { id: id.replace(/^req_/, ''), atSeconds: Math.floor(Date.now() / 1000) };
}

/** Allow-listed. Lengths are told anew where the body is whole. */
function clientHeaders({ call, request, step }: Relaying, contentType: string): Record<string, string> {
  const { version, target } = step.destination;
  const headers: Record<string, string> = {
    'content-type': contentType,
    'x-request-id': request.id,
    'x-mlx-upstream': `${target.upstream}/${target.model}`,
  };
  if (version !== undefined) headers['x-mlx-version'] = version;
  if (request.trace.dialect === 'anthropic') headers['request-id'] = request.id;
  for (const name of ['retry-after', 'cache-control']) {
    const value = call.headers[name];
    if (typeof value === 'string') headers[name] = value;
  }
  return headers;
}
