// For the gateway's own key alone: what tells of all clients is not for one of them.
import { refuse, type Middleware } from '../exchange.js';
import { ownerKeyId } from '../keys/ring.js';

export const ownerOnly: Middleware = (next) => (request) => {
  if (request.trace.keyId === ownerKeyId) return next(request);
  return Promise.resolve(
    refuse(request, {
      status: 403,
      type: 'invalid_request_error',
      code: 'owner_only',
      message: "Only the gateway's own key may see this: mlx gateway key",
    }),
  );
};
