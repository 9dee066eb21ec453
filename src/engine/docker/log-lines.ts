// Lines of a container through the Engine's API: both streams apart, or as one text, followed or not.
import { PassThrough, type Readable } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';

import type { LogOptions } from '../engine.js';
import { ask, type Connection } from './connection.js';

/** Calls back with each line until the container ends. The lines are the log driver's: none is lost before we listen. */
export async function followStreams(
  connection: Connection,
  containerId: string,
  streams: { onStdout: (line: string) => void; onStderr: (line: string) => void },
): Promise<void> {
  await ask(connection, async (docker) => {
    const raw = await docker.getContainer(containerId).logs({ follow: true, stdout: true, stderr: true });
    const stdout = new PassThrough();
    const stderr = new PassThrough();
    demultiplex(connection, raw as Readable, stdout, stderr);
    await Promise.all([readLines(stdout, streams.onStdout), readLines(stderr, streams.onStderr)]);
  });
}

/** Oldest first, stdout and stderr as they came. */
export async function* containerLines(
  connection: Connection,
  containerId: string,
  options: LogOptions,
): AsyncGenerator<string> {
  const container = connection.docker.getContainer(containerId);
  const wanted = { stdout: true, stderr: true, tail: options.lines };
  if (!options.follow) {
    const answer = await ask(connection, () => container.logs({ ...wanted, follow: false }));
    yield* withoutEmptyEnd(payloads(answer).toString('utf8').split('\n'));
    return;
  }
  const raw = (await ask(connection, () => container.logs({ ...wanted, follow: true }))) as Readable;
  const both = new PassThrough();
  demultiplex(connection, raw, both, both);
  const stop = () => raw.destroy();
  options.signal.addEventListener('abort', stop, { once: true });
  try {
    if (!options.signal.aborted) yield* lines(both);
  } finally {
    options.signal.removeEventListener('abort', stop);
    raw.destroy();
  }
}

/** The last lines as one text, for error messages. */
export async function lastContainerText(connection: Connection, containerId: string, count: number): Promise<string> {
  const found: string[] = [];
  const options = { follow: false, lines: count, signal: new AbortController().signal };
  for await (const line of containerLines(connection, containerId, options)) found.push(line);
  return found.join('\n');
}

function demultiplex(connection: Connection, raw: Readable, stdout: PassThrough, stderr: PassThrough): void {
  connection.docker.modem.demuxStream(raw, stdout, stderr);
  const end = (error?: Error) => {
    for (const stream of [stdout, stderr]) {
      if (error) stream.destroy(error);
      else stream.end();
    }
  };
  raw.once('error', end);
  raw.once('close', () => end());
}

async function readLines(stream: Readable, onLine: (line: string) => void): Promise<void> {
  for await (const line of lines(stream)) onLine(line);
}

/** node:readline would not pass on an error of the stream. */
async function* lines(stream: Readable): AsyncGenerator<string> {
  const decoder = new StringDecoder('utf8');
  let unfinished = '';
  for await (const chunk of stream) {
    const parts = (unfinished + decoder.write(chunk as Buffer)).split('\n');
    unfinished = parts.pop() ?? '';
    yield* parts;
  }
  if (unfinished !== '') yield unfinished;
}

const frameHeaderBytes = 8;

/** A whole answer in Docker's frames (stream, three zeros, length, payload) without their headers. Pure. */
export function payloads(answer: Buffer): Buffer {
  const found: Buffer[] = [];
  for (let at = 0; at + frameHeaderBytes <= answer.length;) {
    const end = at + frameHeaderBytes + answer.readUInt32BE(at + 4);
    found.push(answer.subarray(at + frameHeaderBytes, end));
    at = end;
  }
  return Buffer.concat(found);
}

function withoutEmptyEnd(found: string[]): string[] {
  return found.at(-1) === '' ? found.slice(0, -1) : found;
}
