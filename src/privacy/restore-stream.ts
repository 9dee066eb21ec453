// A streamed answer (server-sent events) with its placeholders restored, as it comes.
// Format: https://html.spec.whatwg.org/multipage/server-sent-events.html
import { MlxError } from '../errors.js';
import { openEventRestorer, type StreamEvent } from './restore-events.js';
import type { Originals } from './restore-text.js';

/** What is no part of a placeholder goes on at once. `end` gives what was held back. */
export type StreamRestorer = { push: (bytes: Uint8Array) => Buffer; end: () => Buffer };

/** The last event of the Responses API repeats the whole answer. */
const longestEvent = 32 * 1024 * 1024;
const eventEnd = /\r\n\r\n|\n\n|\r\r/;

/** `push` throws MlxError STREAM_UNREADABLE when an event does not end within 32 MiB. */
export function openStreamRestorer(originals: Originals): StreamRestorer {
  const decoder = new TextDecoder('utf-8');
  const restorer = openEventRestorer(originals);
  let pending = '';
  return {
    push: (bytes) => {
      const blocks = (pending + decoder.decode(bytes, { stream: true })).split(eventEnd);
      pending = blocks.pop() ?? '';
      if (pending.length > longestEvent) {
        throw new MlxError('STREAM_UNREADABLE', 'An event of the answer is longer than 32 MiB.');
      }
      return Buffer.from(blocks.map((block) => restoreBlock(block, restorer.push)).join(''));
    },
    end: () => {
      pending += decoder.decode();
      const last = pending.trim() === '' ? '' : restoreBlock(pending, restorer.push);
      const rest = restorer.end().map((event) => blockOf([], event));
      return Buffer.from(last + rest.join(''));
    },
  };
}

/** Comments, `id` and `retry` stay in front of the event that they came with. */
function restoreBlock(block: string, push: (event: StreamEvent) => StreamEvent[]): string {
  const lines = block.split(/\r\n|\n|\r/);
  const values = lines.filter((line) => line.startsWith('data:')).map((line) => line.slice(5).replace(/^ /, ''));
  if (values.length === 0) return `${block}\n\n`;
  const other = lines.filter((line) => !/^(?:data|event):/.test(line));
  const name = lines
    .findLast((line) => line.startsWith('event:'))
    ?.slice(6)
    .trim();
  const events = push({ name, data: values.join('\n') });
  return events.map((event, index) => blockOf(index === events.length - 1 ? other : [], event)).join('');
}

function blockOf(other: readonly string[], { name, data: text }: StreamEvent): string {
  const lines = text.split('\n').map((line) => `data: ${line}`);
  return `${[...other, ...(name === undefined ? [] : [`event: ${name}`]), ...lines].join('\n')}\n\n`;
}
