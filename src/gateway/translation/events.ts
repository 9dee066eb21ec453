// Server-sent events of a stream that is translated: read one by one, written in the other dialect.
import { createParser } from 'eventsource-parser';

import type { Passage } from '../stages.js';

export type EventTranslation = {
  /** What to write for one event; `[DONE]` is an event like any other. */
  event: (text: string) => string;
  /** What to write when the stream ended as it should. */
  end: () => string;
};

export function translateEvents({ event, end }: EventTranslation): Passage {
  let written = '';
  const decoder = new TextDecoder();
  const parser = createParser({ onEvent: ({ data: text }) => (written += event(text)) });
  return {
    push: (bytes) => {
      written = '';
      parser.feed(decoder.decode(bytes, { stream: true }));
      return Buffer.from(written);
    },
    end: () => Buffer.from(end()),
  };
}

/** Anthropic names its events; the name is also the type inside. */
export function anthropicEvent(value: { type: string } & Record<string, unknown>): string {
  return `event: ${value.type}\ndata: ${JSON.stringify(value)}\n\n`;
}

export function openAiEvent(value: unknown): string {
  return `data: ${JSON.stringify(value)}\n\n`;
}
