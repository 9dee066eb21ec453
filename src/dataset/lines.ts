// A text file as numbered lines, streamed: strict UTF-8, LF or CRLF, with or without a byte order mark.
// A line that cannot be used is reported in its place, so that one bad line never hides the next.
import { createReadStream } from 'node:fs';

export type Line = { line: number; text: string } | { line: number; problem: string };

/** No honest training row is longer; a file without line breaks would otherwise fill the memory. */
export const longestLineBytes = 16 * 1024 * 1024;

const newline = 0x0a;

export async function* readLines(file: string): AsyncGenerator<Line> {
  let line = 1;
  let pieces: Buffer[] = [];
  let pendingBytes = 0;
  const add = (piece: Buffer): void => {
    pendingBytes += piece.length;
    if (pendingBytes <= longestLineBytes) pieces.push(piece);
    else pieces = [];
  };
  const finish = (): Line => {
    const finished = decode(line, pieces, pendingBytes);
    line += 1;
    pieces = [];
    pendingBytes = 0;
    return finished;
  };
  for await (const chunk of createReadStream(file, { highWaterMark: 1024 * 1024 }) as AsyncIterable<Buffer>) {
    let start = 0;
    for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, start)) {
      add(chunk.subarray(start, end));
      yield finish();
      start = end + 1;
    }
    if (start < chunk.length) add(chunk.subarray(start));
  }
  if (pendingBytes > 0) yield finish();
}

const decoder = new TextDecoder('utf-8', { fatal: true });

function decode(line: number, pieces: readonly Buffer[], bytes: number): Line {
  if (bytes > longestLineBytes) {
    return { line, problem: `is longer than ${longestLineBytes / 1024 ** 2} MiB` };
  }
  try {
    const text = decoder.decode(pieces.length === 1 ? pieces[0] : Buffer.concat(pieces));
    return { line, text: text.endsWith('\r') ? text.slice(0, -1) : text };
  } catch {
    return { line, problem: 'is not UTF-8 text' };
  }
}
