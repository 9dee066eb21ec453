import { describe, expect, it } from 'vitest';

import { redactRequest, type RedactionRules } from '../../../src/privacy/redact-request.js';
import { kinds } from '../../../src/privacy/spans.js';

const rules: RedactionRules = { kinds, phoneRegions: ['US', 'JP'], allowMedia: false, findNames: undefined };

async function redacted(fields: Record<string, unknown>, changed: Partial<RedactionRules> = {}) {
  const result = await redactRequest(fields, { ...rules, ...changed });
  if ('refusal' in result) throw new Error(result.refusal);
  return result;
}

async function refusal(fields: Record<string, unknown>): Promise<string | undefined> {
  const result = await redactRequest(fields, rules);
  return 'refusal' in result ? result.refusal : undefined;
}

describe('a request that leaves the machine', () => {
  it('has placeholders in the texts of an OpenAI chat, and everything else as it was', async () => {
    const { fields, originals } = await redacted({
      model: 'gpt-5',
      messages: [
        { role: 'system', content: 'You help jane@example.com.' },
        { role: 'user', content: [{ type: 'text', text: 'Mail jane@example.com and bob@example.com' }] },
        {
          role: 'assistant',
          content: null,
          tool_calls: [
            {
              id: 'call_4111111111111111',
              type: 'function',
              function: { name: 'mail', arguments: '{"to": "bob@example.com", "card": 4111111111111111}' },
            },
          ],
        },
        { role: 'tool', tool_call_id: 'call_4111111111111111', content: '{"sent\\u0054o": "bob\\u0040example.com"}' },
      ],
      temperature: 0.2,
      metadata: { customer: 'jane@example.com' },
    });
    expect(fields).toEqual({
      model: 'gpt-5',
      messages: [
        { role: 'system', content: 'You help [EMAIL_1].' },
        { role: 'user', content: [{ type: 'text', text: 'Mail [EMAIL_1] and [EMAIL_2]' }] },
        {
          role: 'assistant',
          content: null,
          tool_calls: [
            {
              id: 'call_4111111111111111',
              type: 'function',
              function: { name: 'mail', arguments: '{"to": "[EMAIL_2]", "card": "[CARD_1]"}' },
            },
          ],
        },
        { role: 'tool', tool_call_id: 'call_4111111111111111', content: '{"sent\\u0054o": "[EMAIL_2]"}' },
      ],
      temperature: 0.2,
      metadata: { customer: '[EMAIL_1]' },
    });
    expect(Object.fromEntries(originals)).toEqual({
      '[EMAIL_1]': 'jane@example.com',
      '[EMAIL_2]': 'bob@example.com',
      '[CARD_1]': '4111111111111111',
    });
  });

  it('has placeholders in the texts of an Anthropic message, and sealed parts as they were', async () => {
    const { fields } = await redacted({
      model: 'claude',
      system: [{ type: 'text', text: 'Jane: jane@example.com' }],
      messages: [
        {
          role: 'assistant',
          content: [
            { type: 'thinking', thinking: 'The user is [EMAIL_1]', signature: 'EqQBCgIYAhIM' },
            {
              type: 'tool_use',
              id: 'toolu_1',
              name: 'lookup',
              input: { ssn: '536904399', name: 'x', id: '415-555-2671' },
            },
          ],
        },
        {
          role: 'user',
          content: [
            { type: 'tool_result', tool_use_id: 'toolu_1', content: [{ type: 'text', text: 'jane@example.com' }] },
          ],
        },
        {
          role: 'user',
          content: [
            { type: 'document', source: { type: 'text', media_type: 'text/plain', data: 'card 4111 1111 1111 1111' } },
          ],
        },
      ],
      max_tokens: 1_000_000,
    });
    expect(fields).toEqual({
      model: 'claude',
      system: [{ type: 'text', text: 'Jane: [EMAIL_1]' }],
      messages: [
        {
          role: 'assistant',
          content: [
            { type: 'thinking', thinking: 'The user is [EMAIL_1]', signature: 'EqQBCgIYAhIM' },
            { type: 'tool_use', id: 'toolu_1', name: 'lookup', input: { ssn: '[SSN_1]', name: 'x', id: '[PHONE_1]' } },
          ],
        },
        {
          role: 'user',
          content: [{ type: 'tool_result', tool_use_id: 'toolu_1', content: [{ type: 'text', text: '[EMAIL_1]' }] }],
        },
        {
          role: 'user',
          content: [{ type: 'document', source: { type: 'text', media_type: 'text/plain', data: 'card [CARD_1]' } }],
        },
      ],
      max_tokens: 1_000_000,
    });
  });

  it('has placeholders in the items of the Responses API, in a prompt and in what is embedded', async () => {
    const { fields } = await redacted({
      instructions: 'jane@example.com',
      input: [
        { role: 'user', content: [{ type: 'input_text', text: 'bob@example.com' }] },
        { type: 'function_call', call_id: 'call_1', name: 'f', arguments: '{"a":"bob@example.com"}' },
        { type: 'function_call_output', call_id: 'call_1', output: 'carol@example.com' },
      ],
    });
    expect(fields).toMatchObject({
      instructions: '[EMAIL_1]',
      input: [{ content: [{ text: '[EMAIL_2]' }] }, { arguments: '{"a":"[EMAIL_2]"}' }, { output: '[EMAIL_3]' }],
    });
    await expect(redacted({ prompt: 'a@b.co', suffix: 'c@d.co' })).resolves.toMatchObject({
      fields: { prompt: '[EMAIL_2]', suffix: '[EMAIL_1]' },
    });
    await expect(redacted({ input: ['a@b.co', 'none', 'a@b.co'] })).resolves.toMatchObject({
      fields: { input: ['[EMAIL_1]', 'none', '[EMAIL_1]'] },
    });
  });

  it('keeps its numbering when a conversation grows', async () => {
    const first = [{ role: 'user', content: 'jane@example.com' }];
    const grown = [...first, { role: 'assistant', content: 'bob@example.com' }];
    const system = 'about carol@example.com';
    const one = await redacted({ messages: first, system });
    const two = await redacted({ messages: grown, system });
    expect((two.fields['messages'] as unknown[])[0]).toEqual((one.fields['messages'] as unknown[])[0]);
    expect(two.fields['system']).toBe(one.fields['system']);
  });

  it('is the same object when there is nothing to replace', async () => {
    const fields = { model: 'gpt-5', messages: [{ role: 'user', content: 'Hello' }] };
    const result = await redacted(fields);
    expect(result.fields).toBe(fields);
    expect(result.originals.size).toBe(0);
  });

  it('never gives out a placeholder that stands in the request already', async () => {
    const { fields } = await redacted({ messages: [{ role: 'user', content: 'What is [EMAIL_1]? I am a@b.co' }] });
    expect(fields).toEqual({ messages: [{ role: 'user', content: 'What is [EMAIL_1]? I am [EMAIL_2]' }] });
  });

  it('is refused with a part that cannot be read', async () => {
    const image = { type: 'image_url', image_url: { url: 'https://example.com/passport.png' } };
    const anthropicImage = { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'iVBOR' } };
    expect(await refusal({ messages: [{ role: 'user', content: [image] }] })).toContain(
      'messages.0.content.0 (image_url)',
    );
    expect(await refusal({ messages: [{ role: 'user', content: [anthropicImage] }] })).toContain('(image)');
    expect(
      await refusal({ messages: [{ role: 'user', content: [{ type: 'new_kind', blob: 'A'.repeat(2000) }] }] }),
    ).toContain('blob');
    expect(await refusal({ previous_response_id: 'resp_1', input: 'more' })).toContain('previous_response_id');
    expect(await refusal({ input: [[1, 2, 3]] })).toContain('input');
    expect(await refusal({ prompt: [1, 2, 3] })).toContain('prompt');
  });

  it('takes media along where the route allows them, and redacts the rest', async () => {
    const image = { type: 'image_url', image_url: { url: 'https://example.com/a.png' } };
    const { fields } = await redacted(
      { messages: [{ role: 'user', content: [image, { type: 'text', text: 'a@b.co' }] }] },
      { allowMedia: true },
    );
    expect(fields).toEqual({ messages: [{ role: 'user', content: [image, { type: 'text', text: '[EMAIL_1]' }] }] });
  });

  it('holds nothing that could pass for an identifier of the protocol and is none', async () => {
    const { fields } = await redacted({
      messages: [
        { role: 'user', name: 'jane@example.com', tool_call_id: '536-90-4399', signature: 'my ssn is 536-90-4399' },
      ],
    });
    expect(JSON.stringify(fields)).not.toMatch(/jane|536/);
  });

  it('has names replaced by what the detector says, and does not go when that fails', async () => {
    const findNames = async (texts: readonly string[]) =>
      texts.map((text) =>
        text.includes('Jane')
          ? [{ start: text.indexOf('Jane'), end: text.indexOf('Jane') + 4, kind: 'name' as const }]
          : [],
      );
    const { fields } = await redacted({ messages: [{ role: 'user', content: 'Jane, a@b.co' }] }, { findNames });
    expect(fields).toEqual({ messages: [{ role: 'user', content: '[NAME_1], [EMAIL_1]' }] });
    const asked: string[] = [];
    await redacted(
      { model: 'gpt-5', messages: [{ role: 'user', content: 'Hello' }] },
      { findNames: async (texts) => (asked.push(...texts), texts.map(() => [])) },
    );
    expect(asked).toEqual(['Hello']);
    const broken = async () => Promise.reject(new Error('detector is down'));
    await expect(redacted({ messages: [{ content: 'Jane' }] }, { findNames: broken })).rejects.toThrow(
      'detector is down',
    );
    const short = async () => [];
    await expect(redacted({ messages: [{ content: 'Jane' }] }, { findNames: short })).rejects.toThrow('another number');
  });
});
