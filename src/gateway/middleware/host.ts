// Answers only to this machine's own names: a web page whose name was pointed at 127.0.0.1 (DNS rebinding) sends its own.
import { refuse, type Middleware } from '../exchange.js';

/** `port` is asked for at each request: a test's server learns its port only when it listens. */
export function checkHost(port: () => number): Middleware {
  return (next) => (request) => {
    const host = request.headers['host'];
    const known = typeof host === 'string' && isOwnName(host.toLowerCase(), port());
    if (known && request.hostHeaders === 1) return next(request);
    return Promise.resolve(
      refuse(request, {
        status: 403,
        type: 'invalid_request_error',
        code: 'host_not_allowed',
        message: `This gateway answers to http://127.0.0.1:${port()} and http://localhost:${port()} only.`,
      }),
    );
  };
}

function isOwnName(host: string, port: number): boolean {
  return host === `127.0.0.1:${port}` || host === `localhost:${port}` || host === `[::1]:${port}`;
}
