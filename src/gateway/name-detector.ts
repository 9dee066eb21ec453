// Names of people, found by a program of the user's own on this machine: POST {"texts": [...]} -> {"names": [[{"start", "end"}]]},
// a list for each text, offsets in characters (Unicode code points, as Python counts them), end exclusive.
import { Client } from 'undici';
import { z } from 'zod';

import { MlxError } from '../errors.js';
import type { FindNames } from '../privacy/redact-request.js';
import type { Span } from '../privacy/spans.js';

export type NameDetector = { find: FindNames; close: () => Promise<void> };

const timeoutMs = 10_000;
const answerSchema = z.object({
  names: z.array(z.array(z.object({ start: z.int().min(0), end: z.int().min(1) }))),
});

/** @param url `http://127.0.0.1:PORT/PATH` or `unix:/SOCKET` (then the path is `/`) */
export function openNameDetector(url: string): NameDetector {
  const socketPath = url.startsWith('unix:') ? url.slice('unix:'.length) : undefined;
  const { origin, pathname, search } = new URL(socketPath === undefined ? url : 'http://localhost/');
  const client = new Client(origin, {
    ...(socketPath === undefined ? {} : { socketPath }),
    headersTimeout: timeoutMs,
    bodyTimeout: timeoutMs,
    connect: { timeout: timeoutMs },
  });
  return {
    find: async (texts) => {
      const { statusCode, body } = await client.request({
        method: 'POST',
        path: pathname + search,
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ texts }),
      });
      const answer = await body.text();
      if (statusCode !== 200) throw unusable(`it answered with status ${statusCode}`);
      const names = answerSchema.safeParse(parse(answer)).data?.names;
      if (names === undefined) throw unusable('its answer has another form');
      if (names.length !== texts.length) throw unusable('it answered for another number of texts');
      return names.map((spans, index) => toSpans(texts[index] ?? '', spans));
    },
    close: () => client.close(),
  };
}

function toSpans(text: string, spans: readonly { start: number; end: number }[]): Span[] {
  if (spans.length === 0) return [];
  /** Where each character begins, in UTF-16 units. */
  const units: number[] = [];
  let position = 0;
  for (const character of text) {
    units.push(position);
    position += character.length;
  }
  units.push(position);
  return spans.map(({ start, end }) => {
    const [from, to] = [units[start], units[end]];
    if (from === undefined || to === undefined || to <= from) throw unusable('it names a place outside of its text');
    return { start: from, end: to, kind: 'name' };
  });
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function unusable(why: string): MlxError {
  return new MlxError('NAME_DETECTOR_UNUSABLE', `The name detector cannot be used: ${why}.`, {
    hint: 'Its address is gateway.redaction.names.url in mlx.yaml.',
  });
}
