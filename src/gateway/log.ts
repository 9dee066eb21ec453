// .mlx/run/gateway.log, for the person who looks why something went wrong: requests that failed, and alerts. One JSON object a
// line, never what was asked or answered. Every request, failed or not, is in the traffic log.
import { createWriteStream, mkdirSync, renameSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

import { errorCode } from '../errors.js';
import { toSnakeCase } from '../output/json.js';
import { endpoints, pathOf } from './endpoints.js';
import type { Finished } from './node-server.js';

export type GatewayLog = {
  /** Writes a line when the request failed by our doing or the upstream's. */
  finished: (finished: Finished) => void;
  write: (event: string, fields: Record<string, unknown>) => void;
  close: () => Promise<void>;
};

const rotateBytes = 16 * 1024 * 1024;

export function openGatewayLog(file: string, now: () => Date): GatewayLog {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  rotate(file);
  const stream = createWriteStream(file, { flags: 'a', mode: 0o600 });
  // A full disk must not stop answers.
  stream.on('error', () => undefined);
  const write: GatewayLog['write'] = (event, fields) =>
    void stream.write(`${JSON.stringify(toSnakeCase({ at: now().toISOString(), event, ...fields }))}\n`);
  return {
    write,
    finished: (finished) => {
      if (finished.status >= 500 || finished.end === 'broken' || finished.request.trace.failure !== undefined) {
        write('request_failed', failureFields(finished));
      }
    },
    close: () => new Promise((resolve) => stream.end(() => resolve())),
  };
}

function failureFields({ request, status, durationMs, end }: Finished): Record<string, unknown> {
  const path = pathOf(request.target);
  const { route, upstream, version, errorClass, failure, attempts } = request.trace;
  return {
    requestId: request.id,
    method: request.method,
    // A path that we do not have is the client's own text.
    path: endpoints.some((endpoint) => endpoint.path === path) ? path : 'other',
    ...{ route, upstream, version, status, end, errorClass, failure, attempts },
    durationMs: Math.round(durationMs * 10) / 10,
  };
}

/** One older file is kept. */
function rotate(file: string): void {
  try {
    if (statSync(file).size > rotateBytes) renameSync(file, `${file}.1`);
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
  }
}
