import { describe, expect, it } from 'vitest';

import { readAnswer } from '../../../../src/gateway/usage/answer.js';
import { readUsage } from '../../../../src/gateway/usage/counts.js';
import { tapStream } from '../../../../src/gateway/usage/stream.js';

const counts = (inputTokens: number, outputTokens: number, cached = 0, written = 0, reasoning = 0) => ({
  ...{ inputTokens, outputTokens },
  ...{ cachedInputTokens: cached, cacheWriteTokens: written, reasoningTokens: reasoning },
});

describe('the tokens of an answer', () => {
  it.each([
    [
      "OpenAI's chat",
      {
        prompt_tokens: 100,
        completion_tokens: 20,
        total_tokens: 120,
        prompt_tokens_details: { cached_tokens: 64 },
        completion_tokens_details: { reasoning_tokens: 8 },
      },
      counts(100, 20, 64, 0, 8),
    ],
    ["OpenAI's embeddings", { prompt_tokens: 7, total_tokens: 7 }, counts(7, 0)],
    [
      "OpenAI's responses",
      {
        input_tokens: 36,
        input_tokens_details: { cached_tokens: 4 },
        output_tokens: 87,
        output_tokens_details: { reasoning_tokens: 60 },
        total_tokens: 123,
      },
      counts(36, 87, 4, 0, 60),
    ],
    [
      "Anthropic's messages, whose input leaves out the cache",
      { input_tokens: 10, cache_creation_input_tokens: 200, cache_read_input_tokens: 1000, output_tokens: 50 },
      counts(1210, 50, 1000, 200),
    ],
  ])('are read from %s', (_, usage, expected) => {
    expect(readUsage(usage)).toEqual(expected);
    expect(readAnswer(Buffer.from(JSON.stringify({ choices: [], usage }))).usage).toEqual(expected);
  });

  it.each([[undefined], [null], ['many'], [{}], [[]], [{ total_tokens: 4 }]])('are none in %j', (value) => {
    expect(readUsage(value)).toBeUndefined();
  });

  it('that are no counts count nothing', () => {
    expect(readUsage({ prompt_tokens: -1, completion_tokens: '7', prompt_tokens_details: 5 })).toEqual(counts(0, 0));
  });

  it('are found at the end of an answer too large to parse, and in no text and no field of a tool', () => {
    const said = 'He said "usage": {"prompt_tokens": 1} \\" and left. '.repeat(1000);
    const usage = { prompt_tokens: 5, completion_tokens: 6 };
    const choices = [{ message: { content: said }, finish_reason: 'length' }];
    expect(readAnswer(Buffer.from(JSON.stringify({ choices, usage, extra: { a: [said.slice(0, 50)] } })))).toEqual({
      usage: counts(5, 6),
      finishReason: 'length',
    });
    const tool = { type: 'tool_use', input: { usage: { input_tokens: 9, output_tokens: 9 } } };
    const odd = {
      usage: { input_tokens: 1, output_tokens: 2 },
      padding: said,
      content: [tool],
      stop_reason: 'tool_use',
    };
    expect(readAnswer(Buffer.from(JSON.stringify(odd)))).toEqual({ usage: counts(1, 2), finishReason: 'tool_use' });
  });

  it.each([['not JSON'], [''], ['[1,2]'], ['{"usage":'], [`{"usage":${'['.repeat(20_000)}`]])(
    'are none in %j',
    (body) => {
      expect(readAnswer(Buffer.from(body))).toEqual({});
    },
  );
});

const chat = (fields: object) => `data: ${JSON.stringify({ object: 'chat.completion.chunk', ...fields })}\n\n`;
const word = (content: string, finish: string | null = null) =>
  chat({ choices: [{ delta: { content }, finish_reason: finish }] });
const usageChunk = chat({ choices: [], usage: { prompt_tokens: 11, completion_tokens: 3 } });
const done = 'data: [DONE]\n\n';

function through(hideUsage: boolean, parts: string[]) {
  const tap = tapStream(hideUsage);
  const out = parts.map((part) => tap.push(Buffer.from(part)).toString()).join('');
  return { out, facts: tap.facts(), events: tap.events() };
}

describe('the tokens of a stream', () => {
  const words = [word('Grü'), word('ße 🙂', 'stop')];

  it('are read from its last events, and the event that only we asked for is taken out', () => {
    const parts = [...words, usageChunk, done];
    const expected = { usage: counts(11, 3), finishReason: 'stop' };
    expect(through(true, parts)).toMatchObject({ out: words.join('') + done, facts: expected });
    expect(through(true, [parts.join('')])).toMatchObject({ out: words.join('') + done, facts: expected });
    expect(through(false, parts)).toMatchObject({ out: parts.join(''), facts: expected });
  });

  it('that come with the last choice stay where they are', () => {
    const last = chat({
      choices: [{ delta: {}, finish_reason: 'length' }],
      usage: { prompt_tokens: 1, completion_tokens: 2 },
    });
    expect(through(true, [last])).toMatchObject({ out: last, facts: { usage: counts(1, 2), finishReason: 'length' } });
  });

  it("do not take away an event without choices that is no usage (Azure's first one)", () => {
    const first = chat({ choices: [], prompt_filter_results: [{ prompt_index: 0 }] });
    expect(through(true, [first, ...words])).toMatchObject({ out: first + words.join('') });
  });

  it("of Anthropic's messages are joined from the first and the last event", () => {
    const named = (type: string, fields: object) => `event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`;
    const parts = [
      named('message_start', {
        message: { usage: { input_tokens: 3, cache_read_input_tokens: 100, output_tokens: 1 } },
      }),
      ...Array.from({ length: 2000 }, () =>
        named('content_block_delta', { delta: { type: 'text_delta', text: 'word' } }),
      ),
      named('message_delta', { delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 2000 } }),
      named('message_stop', {}),
    ];
    expect(through(false, parts).facts).toEqual({ usage: counts(103, 2000, 100), finishReason: 'end_turn' });
    expect(through(false, parts.slice(0, 500)).facts).toEqual({ usage: counts(103, 1, 100) });
  });

  it('of the responses API are read from its last event, however large that is', () => {
    const usage = { input_tokens: 4, output_tokens: 5 };
    const response = { object: 'response', status: 'completed', output: ['x'.repeat(100)], usage, metadata: {} };
    const event = (output: string) =>
      `event: response.completed\ndata: ${JSON.stringify({ type: 'response.completed', response: { ...response, output: [output] } })}\n\n`;
    expect(through(false, [event('short')]).facts).toEqual({ usage: counts(4, 5), finishReason: 'completed' });
    const large = event('"usage" '.repeat(100_000));
    const half = large.length / 2;
    expect(through(false, [large.slice(0, half), large.slice(half)]).facts.usage).toEqual(counts(4, 5));
  });

  it('that broke off are estimated by its events, without having counted them on the way', () => {
    const tap = tapStream(true);
    for (let index = 0; index < 3000; index += 1) tap.push(Buffer.from(word('one')));
    expect(tap.facts()).toEqual({});
    expect(tap.events()).toBe(3000);
  });
});
