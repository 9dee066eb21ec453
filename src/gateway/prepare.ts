// A client's question as one upstream gets it: redacted, translated, rewritten, with the upstream's own model name and key.
import type { Rewrite } from '../config/rewrite-schema.js';
import type { DataClass } from '../config/route-schema.js';
import { localUpstream } from '../config/upstream-schema.js';
import { refuse, type GatewayRequest, type GatewayResponse, type Operation } from './exchange.js';
import { wrongLocalField, type WrongField } from './local-fields.js';
import { providerOf } from './providers/provider.js';
import { isResponse, type Question } from './question.js';
import type { Destination } from './routing.js';
import type { Metered, Redacted, Stages } from './stages.js';
import { translatorFor, UntranslatableError, type Translator } from './translation/translator.js';

export type Prepared = {
  /** At the upstream. */
  operation: Operation;
  path: string;
  headers: Record<string, string>;
  body: Buffer;
  translator: Translator | undefined;
  restore: Redacted['restore'] | undefined;
  metered: Metered | undefined;
};

export type RouteRules = { name: string; dataClass: DataClass; rewrite: Rewrite };

type Fields = Readonly<Record<string, unknown>>;

/** @returns the refusal when this upstream cannot be asked that */
export async function prepareQuestion(
  stages: Stages,
  request: GatewayRequest,
  question: Question,
  route: RouteRules,
  destination: Destination,
): Promise<Prepared | GatewayResponse> {
  const sameDialect = question.dialect === destination.dialect;
  const translator = sameDialect ? undefined : translatorFor(question.operation, destination.dialect);
  const operation = translator?.operation ?? question.operation;
  const path = providerOf(destination.dialect).paths[operation];
  if ((!sameDialect && !translator) || path === undefined) return unsupported(request, question, destination);
  const redacted = destination.local ? undefined : await stages.redact(request, question, leaving(route, destination));
  if (redacted && isResponse(redacted)) return redacted;
  const fields = upstreamFields(request, question, redacted?.fields ?? question.fields, route, destination, translator);
  if ('refusal' in fields) return fields.refusal;
  const { stream } = question;
  const { dialect, model: upstreamModel, local } = destination;
  const upstream = destination.target.upstream;
  const translated = !sameDialect;
  const { ready } = fields;
  const outgoing = { dialect, operation, upstream, upstreamModel, local, stream, translated, fields: ready };
  const metered = stages.meter(request, outgoing);
  return {
    operation,
    path: destination.basePath + path,
    headers: upstreamHeaders(request, question, destination),
    body: bodyOf(question, metered?.fields ?? ready, destination.servedName ?? destination.model),
    translator,
    restore: redacted?.restore,
    metered,
  };
}

function leaving(route: RouteRules, { target, model }: Destination) {
  return { route: route.name, dataClass: route.dataClass, upstream: target.upstream, upstreamModel: model };
}

/** What the client sent is checked and translated first; the owner of mlx.yaml may then set what clients may not. */
function upstreamFields(
  request: GatewayRequest,
  question: Question,
  asked: Fields,
  route: RouteRules,
  destination: Destination,
  translator: Translator | undefined,
): { ready: Fields } | { refusal: GatewayResponse } {
  const rules = [destination.rewrite, route.rewrite].filter((rule) => rule !== undefined);
  const kept = without(
    asked,
    rules.flatMap(({ drop }) => drop),
  );
  const own = destination.target.upstream === localUpstream;
  const wrong = own && !translator ? wrongLocalField(question.operation, kept) : undefined;
  if (wrong) return { refusal: refuseField(request, wrong) };
  try {
    const spoken = translator
      ? translator.request(kept, { model: destination.model, origin: destination.origin })
      : kept;
    const translatedWrong = own && translator ? wrongLocalField(translator.operation, spoken) : undefined;
    if (translatedWrong) return { refusal: refuseField(request, translatedWrong) };
    return { ready: rules.reduce(rewritten, spoken) };
  } catch (error) {
    if (error instanceof UntranslatableError) return { refusal: refuseField(request, error.field) };
    throw error;
  }
}

/** Unchanged fields are the same object: then the client's own bytes go on. */
function without(fields: Fields, names: readonly string[]): Fields {
  if (!names.some((name) => name in fields)) return fields;
  return Object.fromEntries(Object.entries(fields).filter(([name]) => !names.includes(name)));
}

function rewritten(fields: Fields, { drop, rename, set }: Rewrite): Fields {
  const left = without(fields, drop);
  const moved = Object.keys(rename).filter((name) => name in left);
  if (moved.length === 0 && Object.keys(set).length === 0) return left;
  const renamed = Object.entries(left).map(([name, value]) => [rename[name] ?? name, value]);
  return { ...(Object.fromEntries(renamed) as Fields), ...set };
}

function bodyOf(question: Question, fields: Fields, model: string): Buffer {
  if (fields === question.fields && question.model === model) return question.body;
  return Buffer.from(JSON.stringify({ ...fields, model }));
}

/** Built from nothing: what a client sends besides its body is not the upstream's business, its key least of all. */
function upstreamHeaders(
  request: GatewayRequest,
  question: Question,
  destination: Destination,
): Record<string, string> {
  const { dialect, secret } = destination;
  const sameDialect = question.dialect === dialect;
  const { accept } = request.headers;
  return {
    'content-type': 'application/json',
    accept: sameDialect && typeof accept === 'string' ? accept : '*/*',
    'accept-encoding': 'identity',
    'x-request-id': request.id,
    ...providerOf(dialect).headers(secret, sameDialect ? request : undefined),
  };
}

function refuseField(request: GatewayRequest, { param, message }: WrongField): GatewayResponse {
  return refuse(request, { status: 400, type: 'invalid_request_error', code: 'unsupported_field', param, message });
}

function unsupported(
  request: GatewayRequest,
  { operation }: Question,
  { target, dialect }: Destination,
): GatewayResponse {
  return refuse(request, {
    status: 400,
    type: 'invalid_request_error',
    code: 'unsupported_endpoint',
    message: `${target.upstream}/${target.model} speaks ${dialect}'s dialect, which has nothing like ${operation}.`,
  });
}
