// Asks a service or model server whether it is well.
import { get } from 'node:http';

const timeoutMs = 2_000;

/** `unix:/path` or `http://host:port`: GET /health answers 200. */
export function answersHealth(address: string): Promise<boolean> {
  const target = address.startsWith('unix:')
    ? { socketPath: address.slice('unix:'.length), path: '/health', headers: { host: 'localhost' } }
    : { host: new URL(address).hostname, port: new URL(address).port, path: '/health' };
  return new Promise((resolve) => {
    const request = get({ ...target, timeout: timeoutMs, agent: false }, (answer) => {
      answer.resume();
      resolve(answer.statusCode === 200);
    });
    request.once('timeout', () => request.destroy());
    // After an answer this changes nothing: a promise is settled once.
    request.once('error', () => resolve(false));
    request.once('close', () => resolve(false));
  });
}
