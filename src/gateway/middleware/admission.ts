// So many requests at once and no more: what comes on top is told to come back, instead of waiting until it times out.
import { refuse, type Middleware } from '../exchange.js';

export type Admission = { inFlight: () => number; limit: Middleware };

/** `most` is asked for at each request: it may be configured anew. */
export function openAdmission(most: () => number): Admission {
  let inFlight = 0;
  const leave = (): void => void (inFlight -= 1);
  return {
    inFlight: () => inFlight,
    limit: (next) => (request) => {
      if (inFlight >= most()) {
        request.trace.errorClass = 'overloaded';
        const message = `The gateway has ${inFlight} requests at once and takes no more (gateway.max_in_flight).`;
        const refusal = { status: 503, type: 'server_error', code: 'overloaded', message };
        return Promise.resolve(refuse(request, refusal, { 'retry-after': '1' }));
      }
      inFlight += 1;
      request.whenOver(leave);
      return next(request);
    },
  };
}
