// The one catch of the core: an unexpected error becomes a plain 500 for the client and a line in the log.
import { errorMessage } from '../../errors.js';
import { refuse, type Middleware } from '../exchange.js';

export const catchFailures: Middleware = (next) => async (request) => {
  try {
    return await next(request);
  } catch (error) {
    // Only for the log: a message may name paths of this machine.
    request.trace.failure = errorMessage(error);
    request.trace.errorClass = 'internal_error';
    return refuse(request, {
      status: 500,
      type: 'server_error',
      code: 'internal_error',
      message: `The gateway failed; its log says why (request ${request.id}).`,
    });
  }
};
