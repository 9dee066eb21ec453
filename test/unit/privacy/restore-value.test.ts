import { describe, expect, it } from 'vitest';

import { restoreBody } from '../../../src/privacy/restore-value.js';

const originals = new Map([
  ['[EMAIL_1]', 'jane@example.com'],
  ['[NAME_1]', 'Jane "J" Doe'],
]);

describe('a whole answer', () => {
  it('has its placeholders restored in texts and in the arguments of tool calls', () => {
    const answer = {
      choices: [
        { message: { content: 'Hi [NAME_1]', tool_calls: [{ function: { arguments: '{"who":"[NAME_1]"}' } }] } },
      ],
    };
    expect(JSON.parse(restoreBody(JSON.stringify(answer), originals))).toEqual({
      choices: [
        {
          message: {
            content: 'Hi Jane "J" Doe',
            tool_calls: [{ function: { arguments: String.raw`{"who":"Jane \"J\" Doe"}` } }],
          },
        },
      ],
    });
  });

  it('keeps thinking as it was signed, and restores the input of a tool', () => {
    const answer = {
      content: [
        { type: 'thinking', thinking: 'It is [EMAIL_1]', signature: 'x' },
        { type: 'tool_use', input: { '[EMAIL_1]': '[NAME_1]' } },
      ],
    };
    expect(JSON.parse(restoreBody(JSON.stringify(answer), originals))).toEqual({
      content: [
        { type: 'thinking', thinking: 'It is [EMAIL_1]', signature: 'x' },
        { type: 'tool_use', input: { 'jane@example.com': 'Jane "J" Doe' } },
      ],
    });
  });

  it('is text where it is no JSON, and the same where nothing was given out', () => {
    expect(restoreBody('sorry, [EMAIL_1]', originals)).toBe('sorry, jane@example.com');
    expect(restoreBody('{ "a": "[EMAIL_1]" }', new Map())).toBe('{ "a": "[EMAIL_1]" }');
  });
});
