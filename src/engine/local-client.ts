// Asks programs of this machine over HTTP: model servers, and the gateway over its control socket. With Node's own client, because a
// command asks few and small questions just after its start, and loading undici takes longer than all of them.
import { Agent, request } from 'node:http';

import { errorCode } from '../errors.js';
import { parseAddress } from './address.js';

export type LocalQuestion = {
  path: string;
  method?: 'GET' | 'POST';
  /** JSON; the method is POST then. */
  body?: string;
  /** Until the answer is whole. */
  timeoutMs: number;
};

export type LocalAnswer = { status: number; text: string };

/** Questions at once take connections of their own; one after the other share one. */
export type LocalClient = { ask: (question: LocalQuestion) => Promise<LocalAnswer>; close: () => void };

/** With the code that a connection that takes too long has. */
class LocalTimeout extends Error {
  override readonly name = 'LocalTimeout';
  readonly code = 'ETIMEDOUT';
  constructor(path: string, timeoutMs: number, cause: unknown) {
    super(`${path} did not answer within ${Math.ceil(timeoutMs)} ms`, { cause });
  }
}

const brokenOff = new Set(['ECONNRESET', 'EPIPE']);
const absent = new Set(['ENOENT', 'ECONNREFUSED', ...brokenOff]);

/** @param address as engines write it: `unix:/path/to/socket` or `http://127.0.0.1:PORT` */
export function localClient(address: string): LocalClient {
  const agent = new Agent({ keepAlive: true });
  return {
    ask: (question) => ask(agent, address, question),
    close: () => agent.destroy(),
  };
}

/** Nobody listens at that address, or whoever did is just ending. */
export function isNobodyThere(error: unknown): boolean {
  return absent.has(errorCode(error) ?? '');
}

async function ask(agent: Agent, address: string, question: LocalQuestion): Promise<LocalAnswer> {
  const { path, body, timeoutMs, method = body === undefined ? 'GET' : 'POST' } = question;
  const { origin, socketPath } = parseAddress(address);
  const headers =
    body === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
  // Whole milliseconds alone: what is left of a limit rarely is.
  const signal = AbortSignal.timeout(Math.ceil(timeoutMs));
  const asked = request(`${origin}${path}`, { agent, method, headers, signal, ...(socketPath && { socketPath }) });
  try {
    return await new Promise<LocalAnswer>((resolve, reject) => {
      asked.on('error', reject);
      asked.once('response', (answer) => {
        let text = '';
        answer.setEncoding('utf8').on('data', (part: string) => (text += part));
        answer.on('error', reject);
        answer.once('end', () => resolve({ status: answer.statusCode ?? 0, text }));
      });
      asked.end(body);
    });
  } catch (error) {
    if (signal.aborted) throw new LocalTimeout(path, timeoutMs, error);
    // The other side closed a connection that lay idle, most likely at this very moment. What is asked here may be asked twice.
    if (asked.reusedSocket && brokenOff.has(errorCode(error) ?? '')) return ask(agent, address, question);
    throw error;
  }
}
