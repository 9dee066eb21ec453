// An HTTP server's beginning and end: a port of 127.0.0.1 that is its own, and answers that are finished before it closes.
import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';

import { errorCode, MlxError } from '../errors.js';
import type { Serving } from './node-server.js';

/** @returns the port; 0 takes any free one. @throws MlxError PORT_TAKEN */
export async function listen(server: Server, port: number): Promise<number> {
  server.listen(port, '127.0.0.1');
  try {
    await once(server, 'listening');
  } catch (error) {
    throw errorCode(error) === 'EADDRINUSE' ? portTaken(port, error) : error;
  }
  return (server.address() as AddressInfo).port;
}

export function portTaken(port: number, cause?: unknown): MlxError {
  return new MlxError('PORT_TAKEN', `Port ${port} of 127.0.0.1 is taken.`, { cause });
}

/** Of answers whose connections were closed: their upstreams are left, and that is told. */
const cutOffMs = 1_000;

/** Idle connections are closed again and again: an answer that ends leaves one behind. */
export async function drain({ server, allFinished }: Serving, timeoutMs: number): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  const stopWaiting = new AbortController();
  const sweeping = (async () => {
    const deadlineMs = Date.now() + timeoutMs;
    while (!stopWaiting.signal.aborted && Date.now() < deadlineMs) {
      server.closeIdleConnections();
      await pause(20, undefined, { signal: stopWaiting.signal }).catch(() => undefined);
    }
    server.closeAllConnections();
  })();
  await closed;
  stopWaiting.abort();
  await sweeping;
  await Promise.race([allFinished(), pause(cutOffMs, undefined, { ref: false })]);
}
