// Lets a request pass that carries the gateway's key, compared in constant time over the whole key.
import { createHash, timingSafeEqual } from 'node:crypto';

import { refuse, type Middleware } from '../exchange.js';

export function authorize(key: string): Middleware {
  const expected = sha256(key);
  return (next) => (request) => {
    const sent = bearerKey(request.headers['authorization']);
    if (sent !== undefined && timingSafeEqual(sha256(sent), expected)) return next(request);
    return Promise.resolve(
      refuse(
        request,
        {
          status: 401,
          type: 'invalid_request_error',
          code: 'invalid_api_key',
          message:
            sent === undefined
              ? 'No key was sent. Send "Authorization: Bearer KEY"; this prints the key: mlx gateway key'
              : 'The key is not the one of this gateway; this prints it: mlx gateway key',
        },
        { 'www-authenticate': 'Bearer' },
      ),
    );
  };
}

function bearerKey(header: string | string[] | undefined): string | undefined {
  if (typeof header !== 'string') return undefined;
  return /^Bearer +(\S+)$/i.exec(header)?.[1];
}

/** Hashing first makes both sides equally long, whatever was sent. */
function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
