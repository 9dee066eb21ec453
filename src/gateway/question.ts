// What a client asks: its body, read once, parsed once, and checked as far as every route needs it. Pure.
import type { GenerateEndpoint } from './endpoints.js';
import { refuse, type Dialect, type GatewayRequest, type GatewayResponse, type Operation } from './exchange.js';

export type Question = {
  /** The client's. */
  dialect: Dialect;
  operation: Operation;
  /** As the client names it: the name of a route. */
  model: string;
  stream: boolean;
  /** The parsed body; never changed in place. */
  fields: Readonly<Record<string, unknown>>;
  /** The bytes as they were sent. */
  body: Buffer;
};

/** @returns the refusal when the body is no JSON object that names a model */
export function parseQuestion(
  request: Pick<GatewayRequest, 'id' | 'trace'>,
  { dialect, operation }: GenerateEndpoint,
  body: Buffer,
): Question | GatewayResponse {
  const invalid = (code: string, message: string, param?: string): GatewayResponse =>
    refuse(request, {
      status: 400,
      type: 'invalid_request_error',
      code,
      message,
      ...(param === undefined ? {} : { param }),
    });
  const fields = parseObject(body);
  if (fields === undefined) return invalid('invalid_json', 'The body is not a JSON object.');
  const { model, stream } = fields;
  if (typeof model !== 'string' || model === '') {
    return invalid('invalid_type', '"model" must be the name of a model, as text.', 'model');
  }
  if (stream !== undefined && stream !== null && typeof stream !== 'boolean') {
    return invalid('invalid_type', '"stream" must be true or false.', 'stream');
  }
  return { dialect, operation, model, stream: stream === true, fields, body };
}

export function isResponse(value: object): value is GatewayResponse {
  return 'status' in value;
}

function parseObject(body: Buffer): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(body.toString('utf8'));
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}
