// Who asks, and for what feature: a key in either dialect's header, and `x-mlx-feature` where the key leaves the choice.
import { refuse, type GatewayRequest, type GatewayResponse, type Middleware } from '../exchange.js';
import type { Client, KeyRing } from '../keys/ring.js';

/** Plain enough for a table, a file name and a label of a metric. */
const featureForm = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

export function authorize(ring: () => KeyRing, now: () => number): Middleware {
  return (next) => (request) => {
    const sent = sentKey(request.headers);
    const client = sent === undefined ? undefined : ring().find(sent, now());
    if (!client) return Promise.resolve(noValidKey(request, sent === undefined));
    const feature = featureOf(request, client);
    if (typeof feature === 'object') return Promise.resolve(feature);
    const { trace } = request;
    trace.keyId = client.keyId;
    if (client.tenant !== undefined) trace.tenant = client.tenant;
    if (feature !== undefined) trace.feature = feature;
    return next(request);
  };
}

/** OpenAI's clients send a bearer token, Anthropic's `x-api-key`. */
function sentKey(headers: GatewayRequest['headers']): string | undefined {
  const { authorization, 'x-api-key': apiKey } = headers;
  const bearer = typeof authorization === 'string' ? /^Bearer +(\S+)$/i.exec(authorization)?.[1] : undefined;
  return bearer ?? (typeof apiKey === 'string' ? apiKey : undefined);
}

function featureOf(request: GatewayRequest, { features }: Client): string | undefined | GatewayResponse {
  const asked = request.headers['x-mlx-feature'];
  if (asked === undefined) return features[0];
  if (typeof asked !== 'string' || !featureForm.test(asked)) {
    return refuse(request, {
      status: 400,
      type: 'invalid_request_error',
      code: 'invalid_feature',
      message: 'x-mlx-feature takes 1 to 64 letters, digits, dots, dashes and underscores.',
    });
  }
  if (features.length === 0 || features.includes(asked)) return asked;
  return refuse(request, {
    status: 403,
    type: 'invalid_request_error',
    code: 'feature_not_allowed',
    message: `This key is for ${features.join(', ')}, not for ${asked}.`,
  });
}

/** The same words for a key that is wrong, revoked or unknown. */
function noValidKey(request: GatewayRequest, none: boolean): GatewayResponse {
  const message = none
    ? 'No key was sent. Send "Authorization: Bearer KEY" or "x-api-key: KEY"; make one with mlx keys create NAME, or see your own: mlx gateway key'
    : 'The key is not valid here. Make one: mlx keys create NAME, or see your own: mlx gateway key';
  return refuse(
    request,
    { status: 401, type: 'invalid_request_error', code: 'invalid_api_key', message },
    { 'www-authenticate': 'Bearer' },
  );
}
