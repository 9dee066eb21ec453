// One line a request: when, which route and version, how it ended, how long it took. Never what was asked or answered.
import { createWriteStream, mkdirSync, renameSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

import { errorCode } from '../errors.js';
import { endpoints, pathOf } from './endpoints.js';
import type { Finished } from './node-server.js';

export type AccessLog = { write: (finished: Finished) => void; close: () => Promise<void> };

const rotateBytes = 16 * 1024 * 1024;

export function openAccessLog(file: string, now: () => Date): AccessLog {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  rotate(file);
  const stream = createWriteStream(file, { flags: 'a', mode: 0o600 });
  // A full disk must not stop answers.
  stream.on('error', () => undefined);
  return {
    write: (finished) => void stream.write(`${accessLine(finished, now())}\n`),
    close: () => new Promise((resolve) => stream.end(() => resolve())),
  };
}

export function accessLine(finished: Finished, at: Date): string {
  const { request, status, durationMs, end } = finished;
  const path = pathOf(request.target);
  const line = {
    at: at.toISOString(),
    request_id: request.id,
    method: request.method,
    // A path that we do not have is the client's own text.
    path: endpoints.some((endpoint) => endpoint.path === path) ? path : 'other',
    route: request.trace.route ?? null,
    version: request.trace.version ?? null,
    status,
    end,
    duration_ms: Math.round(durationMs * 10) / 10,
    failure: request.trace.failure ?? null,
  };
  return JSON.stringify(line);
}

/** One older file is kept. */
function rotate(file: string): void {
  try {
    if (statSync(file).size > rotateBytes) renameSync(file, `${file}.1`);
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
  }
}
