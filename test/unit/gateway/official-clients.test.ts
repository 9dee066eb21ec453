// The official clients, unchanged, in front of a gateway whose upstreams speak either dialect.
import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { startAnthropicHost, startOpenAiHost, type Host } from './fake-hosts.js';
import { startBench, type Bench } from './stand-in.js';

let bench: Bench;
let hosts: { openai: Host; anthropic: Host };
let openai: OpenAI;
let anthropic: Anthropic;

beforeAll(async () => {
  hosts = { openai: await startOpenAiHost(), anthropic: await startAnthropicHost() };
  const config = [
    'upstreams:',
    `  gpt: { dialect: openai, url: "${hosts.openai.url}", key_env: GPT_KEY }`,
    `  claude: { dialect: anthropic, url: "${hosts.anthropic.url}", key_env: CLAUDE_KEY }`,
    'routes:',
    '  by-gpt: { primary: gpt/gpt-x }',
    '  by-claude: { primary: claude/claude-x }',
  ];
  bench = await startBench({
    config: config.join('\n'),
    environment: { GPT_KEY: 'sk-gpt', CLAUDE_KEY: 'sk-claude' },
  });
  openai = new OpenAI({ baseURL: `${bench.url}/v1`, apiKey: bench.key, maxRetries: 0 });
  anthropic = new Anthropic({ baseURL: bench.url, apiKey: bench.key, maxRetries: 0 });
});

afterAll(async () => {
  await bench.close();
  await hosts.openai.close();
  await hosts.anthropic.close();
});

const models = ['by-gpt', 'by-claude'];

const weather = {
  type: 'function' as const,
  function: { name: 'weather', parameters: { type: 'object', properties: { city: { type: 'string' } } } },
};
const schema = {
  type: 'object',
  properties: { label: { type: 'string' } },
  required: ['label'],
  additionalProperties: false,
};
const user = { role: 'user' as const, content: 'Hello' };

describe.each(models)("OpenAI's client with the model %s", (model) => {
  test('gets an answer with its usage', async () => {
    const answer = await openai.chat.completions.create({ model, messages: [user] });
    expect(answer.choices[0]).toMatchObject({ message: { content: 'Grüße, 🙂 world' }, finish_reason: 'stop' });
    expect(answer.usage).toMatchObject({
      prompt_tokens: 30,
      completion_tokens: 8,
      total_tokens: 38,
      prompt_tokens_details: { cached_tokens: 10 },
    });
  });

  test('gets a stream, with usage when it asks for it', async () => {
    const stream = openai.chat.completions.stream({
      model,
      messages: [{ role: 'system', content: 'Be short.' }, user],
      stream_options: { include_usage: true },
    });
    let text = '';
    for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? '';
    expect(text).toBe('Grüße, 🙂 world');
    expect((await stream.totalUsage()).total_tokens).toBe(38);
    expect((await stream.finalChatCompletion()).choices[0]?.finish_reason).toBe('stop');
  });

  test.each([false, true])(
    'runs its tools and gets an answer that knows their results (stream: %s)',
    async (stream) => {
      const messages: OpenAI.ChatCompletionMessageParam[] = [user];
      const first = stream
        ? await openai.chat.completions.stream({ model, messages, tools: [weather] }).finalChatCompletion()
        : await openai.chat.completions.create({ model, messages, tools: [weather], tool_choice: 'auto' });
      const [choice] = first.choices;
      expect(choice?.finish_reason).toBe('tool_calls');
      const calls = (choice?.message.tool_calls ?? []).filter((call) => call.type === 'function');
      expect(calls.map(({ function: called }) => called.name)).toContain('weather');
      const [call] = calls;
      expect(JSON.parse(call?.function.arguments ?? '')).toEqual({ city: 'Paris' });
      if (choice) messages.push(choice.message);
      for (const { id, function: called } of calls)
        messages.push({ role: 'tool', tool_call_id: id, content: `${called.name} done` });
      const second = await openai.chat.completions.create({ model, messages, tools: [weather] });
      expect(second.choices[0]?.message.content).toContain('weather done');
    },
  );

  test('gets JSON by a schema', async () => {
    const answer = await openai.chat.completions.parse({
      model,
      messages: [user],
      response_format: { type: 'json_schema', json_schema: { name: 'label', schema, strict: true } },
    });
    expect(answer.choices[0]?.message.parsed).toEqual({ label: 'billing' });
  });

  test('raises the refusal of an upstream as an error of its own', async () => {
    const broken: OpenAI.ChatCompletionMessageParam[] = [
      user,
      {
        role: 'assistant',
        tool_calls: [{ id: 'a', type: 'function', function: { name: 'weather', arguments: '{}' } }],
      },
      user,
    ];
    await expect(openai.chat.completions.create({ model, messages: broken })).rejects.toBeInstanceOf(
      OpenAI.BadRequestError,
    );
  });
});

describe.each(models)("Anthropic's client with the model %s", (model) => {
  const asked = { model, max_tokens: 100, messages: [user] };

  test('gets an answer with its usage', async () => {
    const answer = await anthropic.messages.create(asked);
    expect(answer.content).toEqual([{ type: 'text', text: 'Grüße, 🙂 world' }]);
    expect(answer.stop_reason).toBe('end_turn');
    expect(answer.usage).toMatchObject({ input_tokens: 20, cache_read_input_tokens: 10, output_tokens: 8 });
  });

  test('gets a stream', async () => {
    const stream = anthropic.messages.stream({ ...asked, system: 'Be short.' });
    let text = '';
    stream.on('text', (part) => (text += part));
    const answer = await stream.finalMessage();
    expect(text).toBe('Grüße, 🙂 world');
    expect(answer).toMatchObject({ stop_reason: 'end_turn', usage: { input_tokens: 20, output_tokens: 8 } });
  });

  test.each([false, true])(
    'runs its tools and gets an answer that knows their results (stream: %s)',
    async (stream) => {
      const tools = [{ name: 'weather', input_schema: weather.function.parameters as Anthropic.Tool.InputSchema }];
      const first = stream
        ? await anthropic.messages.stream({ ...asked, tools }).finalMessage()
        : await anthropic.messages.create({ ...asked, tools });
      expect(first.stop_reason).toBe('tool_use');
      const uses = first.content.filter((block) => block.type === 'tool_use');
      expect(uses[0]).toMatchObject({ name: 'weather', input: { city: 'Paris' } });
      expect(uses).toHaveLength(2);
      const results = uses.map(({ id, name }) => ({
        type: 'tool_result' as const,
        tool_use_id: id,
        content: `${name} done`,
      }));
      const second = await anthropic.messages.create({
        ...asked,
        tools,
        messages: [user, { role: 'assistant', content: first.content }, { role: 'user', content: results }],
      });
      expect(second.content[0]).toMatchObject({
        type: 'text',
        text: expect.stringContaining('weather done') as string,
      });
    },
  );

  test('gets JSON by a schema', async () => {
    const answer = await anthropic.messages.create({
      ...asked,
      output_config: { format: { type: 'json_schema', schema } },
    });
    expect(answer.content).toEqual([{ type: 'text', text: '{"label":"billing"}' }]);
  });

  test('raises the refusal of an upstream as an error of its own', async () => {
    const broken = {
      ...asked,
      messages: [
        user,
        { role: 'assistant' as const, content: [{ type: 'tool_use' as const, id: 'a', name: 'x', input: {} }] },
        user,
      ],
    };
    await expect(anthropic.messages.create(broken)).rejects.toBeInstanceOf(Anthropic.BadRequestError);
  });
});

test('each upstream sees its own key and no header of the client', () => {
  for (const { headers } of hosts.openai.calls) {
    expect(headers.authorization).toBe('Bearer sk-gpt');
    expect(headers).not.toHaveProperty('x-api-key');
  }
  for (const { headers } of hosts.anthropic.calls) {
    expect(headers['x-api-key']).toBe('sk-claude');
    expect(headers).not.toHaveProperty('authorization');
  }
  const seen = JSON.stringify([...hosts.openai.calls, ...hosts.anthropic.calls]);
  expect(seen).not.toContain(bench.key);
  expect(seen).not.toContain('x-stainless');
});

test('both clients list the models', async () => {
  const names = [];
  for await (const { id } of openai.models.list()) names.push(id);
  for await (const { id } of anthropic.models.list()) names.push(id);
  expect(names).toEqual([...models, ...models]);
  expect(await openai.models.retrieve('by-gpt')).toMatchObject({ id: 'by-gpt', object: 'model' });
  expect(await anthropic.models.retrieve('by-gpt')).toMatchObject({ id: 'by-gpt', type: 'model' });
  await expect(openai.models.retrieve('nobody')).rejects.toMatchObject({
    status: 404,
    error: {
      message: "The model 'nobody' is not served here.",
      type: 'invalid_request_error',
      param: 'model',
      code: 'model_not_found',
    },
  });
  await expect(anthropic.models.retrieve('nobody')).rejects.toMatchObject({
    status: 404,
    error: { type: 'error', error: { type: 'not_found_error' } },
  });
});

test('what an upstream cannot be asked is refused by name, never left out', async () => {
  const wrong = [
    { n: 2 },
    { logprobs: true },
    { seed: 1 },
    { frequency_penalty: 1 },
    { temperature: 1.5 },
    { response_format: { type: 'json_object' as const } },
  ];
  for (const field of wrong) {
    const [name = ''] = Object.keys(field);
    const asking = openai.chat.completions.create({ model: 'by-claude', messages: [user], ...field });
    await expect(asking).rejects.toMatchObject({ status: 400, param: expect.stringContaining(name) as string });
  }
  const sampling = { top_k: 5 };
  await expect(
    anthropic.messages.create({ model: 'by-gpt', max_tokens: 1, messages: [user], ...sampling }),
  ).rejects.toThrow('top_k');
  await expect(openai.embeddings.create({ model: 'by-claude', input: 'x' })).rejects.toMatchObject({
    status: 400,
    code: 'unsupported_endpoint',
  });
  await expect(anthropic.messages.countTokens({ model: 'by-gpt', messages: [user] })).rejects.toMatchObject({
    status: 400,
  });
});

test("a message without max_tokens is told that Anthropic's API requires it, in its shape", async () => {
  const forgetful = { model: 'by-gpt', messages: [user] } as unknown as Anthropic.MessageCreateParamsNonStreaming;
  await expect(anthropic.messages.create(forgetful)).rejects.toMatchObject({
    status: 400,
    error: {
      type: 'error',
      error: {
        type: 'invalid_request_error',
        message: expect.stringMatching(/^'max_tokens' is missing: Anthropic's API requires it\./) as string,
      },
    },
  });
});
