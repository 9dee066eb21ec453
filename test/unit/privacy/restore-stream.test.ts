import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { openStreamRestorer } from '../../../src/privacy/restore-stream.js';
import { openPieceRestorer } from '../../../src/privacy/restore-text.js';

const originals = new Map([
  ['[EMAIL_1]', 'jane@example.com'],
  ['[EMAIL_12]', 'bob@example.com'],
  ['[NAME_1]', 'Jane "J" Doe\\'],
]);

type Json = Record<string, unknown>;

function event(body: Json, name?: string): string {
  return `${name === undefined ? '' : `event: ${name}\n`}data: ${JSON.stringify(body)}\n\n`;
}

/** All that came out, as the bodies of its events. */
function restored(text: string, cuts: readonly number[] = []): Json[] {
  const restorer = openStreamRestorer(originals);
  const bytes = Buffer.from(text);
  const edges = [0, ...cuts.filter((cut) => cut < bytes.length).sort((one, other) => one - other), bytes.length];
  const pieces = edges.slice(1).map((end, index) => restorer.push(bytes.subarray(edges[index], end)).toString());
  return bodies(pieces.join('') + restorer.end().toString());
}

function bodies(text: string): Json[] {
  const lines = text.split('\n').filter((line) => line.startsWith('data: ') && line !== 'data: [DONE]');
  return lines.map((line) => JSON.parse(line.slice(6)) as Json);
}

type Choice = {
  index: number;
  delta: { content?: string; tool_calls?: { index: number; function: { arguments: string } }[] };
};

const choicesOf = (events: readonly Json[]): Choice[] => events.flatMap((body) => body['choices'] as Choice[]);

function chat(content: string, index = 0, finish: string | null = null): string {
  return event({ id: 'x', choices: [{ index, delta: { content }, finish_reason: finish }] });
}

function call(args: string, index: number): string {
  return event({
    choices: [{ index: 0, delta: { tool_calls: [{ index, function: { arguments: args } }] }, finish_reason: null }],
  });
}

const end = event({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] });

describe('pieces of a text', () => {
  it('become the same text however they are cut', () => {
    const part = fc.oneof(
      fc.string({ unit: 'grapheme' }),
      fc.constantFrom('[EMAIL_1]', '[EMAIL_12]', '[NAME_1]', '[EMAIL_', '[', ']', '[EMAIL_2]', '{'),
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 8 }), fc.array(fc.nat(120), { maxLength: 20 }), (parts, cuts) => {
        const text = parts.join('');
        const whole = openPieceRestorer(originals, false);
        const expected = whole.push(text) + whole.rest();
        const cut = openPieceRestorer(originals, false);
        const edges = [0, ...cuts.filter((edge) => edge < text.length).sort((one, other) => one - other), text.length];
        const pieces = edges.slice(1).map((edge, index) => cut.push(text.slice(edges[index], edge)));
        expect(pieces.join('') + cut.rest()).toBe(expected);
      }),
      { numRuns: 1000 },
    );
  });

  it('hold back nothing but the possible beginning of a placeholder', () => {
    const restorer = openPieceRestorer(originals, false);
    expect(restorer.push('Hello [EM')).toBe('Hello ');
    expect(restorer.push('PTY]')).toBe('[EMPTY]');
    expect(restorer.push('[EMAIL_1')).toBe('');
    expect(restorer.push('2] and [PHONE_1')).toBe('bob@example.com and [PHONE_1');
    expect(restorer.push('[')).toBe('');
    expect(restorer.push('link](x)')).toBe('[link](x)');
    expect(restorer.rest()).toBe('');
  });
});

describe('a streamed chat', () => {
  it('has its placeholders restored however they are spread over events and chunks', () => {
    const text = `${['Hi [EMA', 'IL_1', '] and ', '[EMAIL_1', '2], [NAME_1]! [EMAIL_', '3] [EMAIL_1]'].map((piece) => chat(piece)).join('')}${end}data: [DONE]\n\n`;
    const expected = 'Hi jane@example.com and bob@example.com, Jane "J" Doe\\! [EMAIL_3] jane@example.com';
    for (let cut = 0; cut < text.length; cut += 1) {
      const contents = choicesOf(restored(text, [cut])).map(({ delta }) => delta.content ?? '');
      expect(contents.join('')).toBe(expected);
    }
  });

  it('keeps choices apart', () => {
    const events = restored(chat('[EMAIL', 0) + chat('[EMAIL_12', 1) + chat('_1]', 0) + chat(']', 1, 'stop') + end);
    const content = (index: number) =>
      choicesOf(events)
        .filter((choice) => choice.index === index)
        .map(({ delta }) => delta.content ?? '')
        .join('');
    expect(content(0)).toBe('jane@example.com');
    expect(content(1)).toBe('bob@example.com');
  });

  it('gives what it held back before the end of the choice', () => {
    const events = restored(`${chat('see [EMAIL')}${end}data: [DONE]\n\n`);
    expect(events.map((body) => choicesOf([body])[0])).toEqual([
      { index: 0, delta: { content: 'see ' }, finish_reason: null },
      { index: 0, delta: { content: '[EMAIL' }, finish_reason: null },
      { index: 0, delta: {}, finish_reason: 'stop' },
    ]);
  });

  it('gives what it held back when the stream just ends', () => {
    expect(choicesOf(restored(chat('see [EMAIL'))).map(({ delta }) => delta.content)).toEqual(['see ', '[EMAIL']);
  });

  it('escapes what it puts into the arguments of tool calls, each call by itself', () => {
    const events = restored(
      call('{"who": "[NAM', 0) + call('{"to": "[EMAIL_', 1) + call('E_1]"}', 0) + call('12]"', 1) + call('}', 1) + end,
    );
    const argumentsOf = (index: number) =>
      choicesOf(events)
        .flatMap(({ delta }) => delta.tool_calls ?? [])
        .filter((toolCall) => toolCall.index === index)
        .map((toolCall) => toolCall.function.arguments)
        .join('');
    expect(JSON.parse(argumentsOf(0))).toEqual({ who: 'Jane "J" Doe\\' });
    expect(JSON.parse(argumentsOf(1))).toEqual({ to: 'bob@example.com' });
  });

  it('escapes in an answer that is JSON', () => {
    const contents = choicesOf(restored(chat(' {"who": "[NAME') + chat('_1]"}') + end)).map(
      ({ delta }) => delta.content ?? '',
    );
    expect(JSON.parse(contents.join(''))).toEqual({ who: 'Jane "J" Doe\\' });
  });

  it('passes comments, event names, carriage returns and what is no JSON', () => {
    const restorer = openStreamRestorer(originals);
    const text = ': ping\n\nid: 7\r\ndata: not json [EMAIL_1]\r\n\r\ndata: [DONE]\n\n';
    expect(restorer.push(Buffer.from(text)).toString()).toBe(
      ': ping\n\nid: 7\ndata: not json [EMAIL_1]\n\ndata: [DONE]\n\n',
    );
  });

  it('breaks off when an event never ends', () => {
    const restorer = openStreamRestorer(originals);
    const piece = Buffer.alloc(17 * 1024 * 1024, 'x');
    restorer.push(piece);
    expect(() => restorer.push(piece)).toThrow(expect.objectContaining({ code: 'STREAM_UNREADABLE' }));
  });
});

describe('a streamed Anthropic message', () => {
  const delta = (index: number, inner: Json): string =>
    event({ type: 'content_block_delta', index, delta: inner }, 'content_block_delta');
  const stop = (index: number): string => event({ type: 'content_block_stop', index }, 'content_block_stop');

  it('is restored block by block, thinking left as it was signed', () => {
    const events = restored(
      delta(0, { type: 'thinking_delta', thinking: 'It is [EMAIL_1]' }) +
        delta(0, { type: 'signature_delta', signature: '[EMAIL_1]' }) +
        stop(0) +
        delta(1, { type: 'text_delta', text: 'To [EMAIL_1' }) +
        delta(1, { type: 'text_delta', text: '2], [EMA' }) +
        stop(1) +
        delta(2, { type: 'input_json_delta', partial_json: '{"name": "[NAME' }) +
        delta(2, { type: 'input_json_delta', partial_json: '_1]"}' }) +
        stop(2),
    );
    const deltas = (index: number, key: string) =>
      events
        .filter((body) => body['index'] === index)
        .map((body) => ((body['delta'] ?? {}) as Record<string, string>)[key] ?? '');
    expect(deltas(0, 'thinking').join('')).toBe('It is [EMAIL_1]');
    expect(deltas(0, 'signature').join('')).toBe('[EMAIL_1]');
    expect(deltas(1, 'text')).toEqual(['To ', 'bob@example.com, ', '[EMA', '']);
    expect(JSON.parse(deltas(2, 'partial_json').join(''))).toEqual({ name: 'Jane "J" Doe\\' });
  });
});

describe('a streamed answer of the Responses API', () => {
  it('is restored, said once more as a whole, and numbered without gaps', () => {
    const text = (type: string, number: number, more: Json): string =>
      event({ type, sequence_number: number, output_index: 0, content_index: 0, ...more }, type);
    const events = restored(
      text('response.output_text.delta', 4, { delta: 'To [EMAIL' }) +
        text('response.output_text.delta', 5, { delta: '_1] [' }) +
        text('response.output_text.done', 6, { text: 'To [EMAIL_1] [' }) +
        event(
          { type: 'response.completed', sequence_number: 7, response: { output: [{ arguments: '{"a":"[NAME_1]"}' }] } },
          'response.completed',
        ),
    );
    expect(events.map((body) => [body['sequence_number'], body['delta'] ?? body['text']])).toEqual([
      [4, 'To '],
      [5, 'jane@example.com '],
      [6, '['],
      [7, 'To jane@example.com ['],
      [8, undefined],
    ]);
    expect(events.at(-1)?.['response']).toEqual({ output: [{ arguments: String.raw`{"a":"Jane \"J\" Doe\\"}` }] });
  });
});
