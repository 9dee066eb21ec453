import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { redactRequest, type RedactionRules } from '../../../src/privacy/redact-request.js';
import { restoreValue } from '../../../src/privacy/restore-value.js';
import { kinds } from '../../../src/privacy/spans.js';

const rules: RedactionRules = { kinds, phoneRegions: ['US', 'JP'], allowMedia: false, findNames: undefined };

describe('a body of any shape', () => {
  const identifiers = [
    'jane@example.com',
    '4111 1111 1111 1111',
    '536-90-4399',
    'DE89370400440532013000',
    '+81-90-1234-5678',
  ];
  const keys =
    'content text id type name role model input arguments signature data source thinking metadata user x tools schema'.split(
      ' ',
    );

  it('holds no identifier after it was redacted, or is refused', async () => {
    const withIdentifier = fc
      .tuple(
        fc.constantFrom('', 'is ', '"', '{"a": "', '番号は', '\n'),
        fc.constantFrom(...identifiers),
        fc.constantFrom('', ' x', '"', '"}', '。'),
      )
      .map((parts) => parts.join(''));
    const leaf = fc.oneof(
      withIdentifier,
      withIdentifier.map((text) => JSON.stringify({ deep: text })),
      fc.string(),
      fc.constantFrom('text', 'tool_use', 'thinking', 'user'),
      fc.integer(),
      fc.constant(null),
    );
    const { body } = fc.letrec((tie) => ({
      value: fc.oneof(
        { depthSize: 'small', withCrossShrink: true },
        leaf,
        fc.array(tie('value'), { maxLength: 4 }),
        tie('body'),
      ),
      body: fc.dictionary(
        fc.oneof(
          { weight: 8, arbitrary: fc.constantFrom(...keys) },
          fc.string({ maxLength: 5 }),
          fc.constantFrom(...identifiers),
        ),
        tie('value'),
        {
          maxKeys: 5,
        },
      ),
    }));
    await fc.assert(
      fc.asyncProperty(body, async (fields) => {
        const result = await redactRequest(fields, rules);
        const sent = 'refusal' in result ? '' : JSON.stringify(result.fields);
        expect(identifiers.filter((identifier) => sent.includes(identifier))).toEqual([]);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('what is redacted and restored', () => {
  it('is what it was, whatever the texts are', async () => {
    const piece = fc.oneof(
      fc.string({ unit: 'grapheme' }),
      fc.constantFrom(
        '[EMAIL_1]',
        '[CARD_2',
        'a@b.co',
        'c@d.co',
        '4111 1111 1111 1111',
        '９８３２０５６７３２１４',
        '\n',
        '[',
        '{"a": "a@b.co"}',
        ']',
        'x'.repeat(40),
      ),
    );
    const text = fc.array(piece, { maxLength: 8 }).map((pieces) => pieces.join(' '));
    await fc.assert(
      fc.asyncProperty(fc.array(text, { minLength: 1, maxLength: 5 }), async (texts) => {
        const fields = { messages: texts.map((content) => ({ role: 'user', content })) };
        const result = await redactRequest(fields, rules);
        if ('refusal' in result) throw new Error(result.refusal);
        const { fields: sent, originals } = result;
        for (const original of originals.values())
          expect(JSON.stringify(sent)).not.toContain(JSON.stringify(original).slice(1, -1));
        expect(restoreValue(sent, originals)).toEqual(fields);
      }),
      { numRuns: 300 },
    );
  });
});
