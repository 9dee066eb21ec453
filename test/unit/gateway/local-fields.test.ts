import { describe, expect, test } from 'vitest';

import { wrongLocalField } from '../../../src/gateway/local-fields.js';

const plain = { model: 'm', messages: [{ role: 'user', content: 'Hi' }], temperature: 1, stream: true };

describe('a request to a model server of ours', () => {
  test('may hold what OpenAI documents', () => {
    expect(wrongLocalField('chat', plain)).toBeUndefined();
    expect(wrongLocalField('embeddings', { model: 'm', input: [[1, 2, 3]] })).toBeUndefined();
  });

  test.each([
    'chat_template',
    'chat_template_kwargs',
    'guided_json',
    'guided_regex',
    'structured_outputs',
    'prompt_embeds',
    'mm_processor_kwargs',
    'logits_processors',
    'vllm_xargs',
    'api_base',
    'base_url',
    'user_config',
    'documents',
    '__proto__x',
  ])('is refused with the field %s', (name) => {
    expect(wrongLocalField('chat', { ...plain, [name]: 1 })).toMatchObject({ param: name });
  });

  test.each([
    ['n', 10_000],
    ['logprobs', 1_000],
    ['top_logprobs', 21],
  ])('is refused with %s: %i', (name, value) => {
    expect(wrongLocalField('chat', { ...plain, [name]: value })).toMatchObject({ param: name });
  });

  const addresses = [
    'http://127.0.0.1:1/x',
    'https://x.test/a.png',
    'file:///etc/passwd',
    'http://169.254.169.254/',
    '//x',
    'data:text/html,x',
  ];

  test.each(addresses)('is refused with something to fetch from %s, however deep', (address) => {
    const parts = [
      { type: 'image_url', image_url: { url: address } },
      { type: 'image_url', image_url: address },
      { type: 'video_url', video_url: { url: address } },
      { type: 'audio_url', audio_url: { url: address } },
      { type: 'file', file: { file_data: address } },
      { type: 'text', text: 'x', a: { b: { c: { d: { url: address } } } } },
      { type: 'text', text: 'x', a: { b: [{ c: { api_base: address } }] } },
    ];
    for (const part of parts) {
      const asked = { ...plain, messages: [{ role: 'user', content: [part] }] };
      expect(wrongLocalField('chat', asked)).toBeDefined();
    }
    expect(
      wrongLocalField('responses', { model: 'm', input: [{ content: [{ type: 'input_image', image_url: address }] }] }),
    ).toBeDefined();
  });

  test('may hold images and files as data', () => {
    const url = 'data:image/png;base64,iVBORw0KGgo=';
    const content = [{ type: 'image_url', image_url: { url } }];
    expect(wrongLocalField('chat', { ...plain, messages: [{ role: 'user', content }] })).toBeUndefined();
  });

  test('that is nested without an end is refused instead of followed', () => {
    let deep: unknown = 'x';
    for (let level = 0; level < 10_000; level += 1) deep = { a: deep };
    expect(wrongLocalField('chat', { ...plain, messages: [deep] })).toMatchObject({ param: 'messages' });
  });
});
