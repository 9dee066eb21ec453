// The official clients in front of hosts elsewhere: what those get to see, and what the clients get back. The hosts repeat the
// placeholders that they were sent, one character an event.
import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { startAnthropicHost, startOpenAiHost, type Host, type HostCall } from './fake-hosts.js';
import { startBench, type Bench } from './stand-in.js';

let bench: Bench;
let hosts: { openai: Host; anthropic: Host };
let openai: OpenAI;
let anthropic: Anthropic;

beforeAll(async () => {
  hosts = { openai: await startOpenAiHost(chatReply), anthropic: await startAnthropicHost(messageReply) };
  const config = `
upstreams:
  gpt: { dialect: openai, url: "${hosts.openai.url}" }
  claude: { dialect: anthropic, url: "${hosts.anthropic.url}" }
  ours: { dialect: openai, url: "${hosts.openai.url}", local: true }
routes:
  by-gpt: { primary: gpt/gpt-x }
  by-claude: { primary: claude/claude-x }
  on-this-machine: { primary: ours/x }
  cards-alone: { primary: gpt/gpt-x, redaction: { kinds: [card] } }
  as-it-is: { primary: gpt/gpt-x, redaction: { enabled: false } }
`;
  bench = await startBench({ config });
  openai = new OpenAI({ baseURL: `${bench.url}/v1`, apiKey: bench.key, maxRetries: 0 });
  anthropic = new Anthropic({ baseURL: bench.url, apiKey: bench.key, maxRetries: 0 });
});

beforeEach(() => {
  hosts.openai.calls.length = 0;
  hosts.anthropic.calls.length = 0;
});

afterAll(async () => {
  await bench.close();
  await hosts.openai.close();
  await hosts.anthropic.close();
});

const secret = 'jane@example.com';
const user = { role: 'user' as const, content: `Write to ${secret}, card 4111 1111 1111 1111.` };
const tool = {
  name: 'mail',
  description: 'Sends a mail',
  schema: { type: 'object' as const, properties: { to: { type: 'string' } } },
};
const chatTools = [{ type: 'function' as const, function: { name: tool.name, parameters: tool.schema } }];
const messageTools = [{ name: tool.name, input_schema: tool.schema }];
const calls = () => [...hosts.openai.calls, ...hosts.anthropic.calls];

function expectNothingSent(): void {
  expect(calls()).toHaveLength(1);
  const [{ text } = { text: '' }] = calls();
  expect(text).toContain('[EMAIL_1], card [CARD_1].');
  expect(text).not.toMatch(/jane|4111/);
}

describe.each(['by-gpt', 'by-claude'])('redaction for a client of the route %s', (model) => {
  it("restores OpenAI's answers and tool calls", async () => {
    const answer = await openai.chat.completions.create({ model, messages: [user], tools: chatTools });
    expectNothingSent();
    const message = answer.choices[0]?.message;
    expect(message?.content).toBe(`To ${secret}!`);
    const [call] = message?.tool_calls ?? [];
    expect(call?.type === 'function' ? JSON.parse(call.function.arguments) : undefined).toEqual({ to: secret });
  });

  it("restores OpenAI's streams", async () => {
    const stream = openai.chat.completions.stream({ model, messages: [user], tools: chatTools });
    const message = (await stream.finalChatCompletion()).choices[0]?.message;
    expectNothingSent();
    expect(message?.content).toBe(`To ${secret}!`);
    const [call] = message?.tool_calls ?? [];
    expect(call?.type === 'function' ? JSON.parse(call.function.arguments) : undefined).toEqual({ to: secret });
  });

  it.each([false, true])("restores Anthropic's messages (streamed: %s)", async (streamed) => {
    const question = { model, max_tokens: 100, messages: [user], tools: messageTools };
    const answer = streamed
      ? await anthropic.messages.stream(question).finalMessage()
      : await anthropic.messages.create(question);
    expectNothingSent();
    expect(answer.content.find(({ type }) => type === 'text')).toMatchObject({ text: `To ${secret}!` });
    expect(answer.content.find(({ type }) => type === 'tool_use')).toMatchObject({
      name: 'mail',
      input: { to: secret },
    });
  });

  it('refuses an image, which nobody can redact, in the words of each client', async () => {
    const url = 'data:image/png;base64,iVBORw0KGgo=';
    const image = openai.chat.completions.create({
      model,
      messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url } }] }],
    });
    await expect(image).rejects.toMatchObject({ status: 400, code: 'not_redactable' });
    const source = { type: 'base64' as const, media_type: 'image/png' as const, data: 'iVBORw0KGgo=' };
    const anthropicImage = anthropic.messages.create({
      model,
      max_tokens: 9,
      messages: [{ role: 'user', content: [{ type: 'image', source }] }],
    });
    await expect(anthropicImage).rejects.toMatchObject({ status: 400, type: 'invalid_request_error' });
    expect(calls()).toEqual([]);
  });
});

describe('redaction', () => {
  it('leaves what stays on this machine as it is', async () => {
    await openai.chat.completions.create({ model: 'on-this-machine', messages: [user] });
    expect(calls()[0]?.body['messages']).toEqual([user]);
  });

  it('is what the route says', async () => {
    await openai.chat.completions.create({ model: 'cards-alone', messages: [user] });
    expect(calls()[0]?.body['messages']).toEqual([{ role: 'user', content: `Write to ${secret}, card [CARD_1].` }]);
    await openai.chat.completions.create({ model: 'as-it-is', messages: [user] });
    expect(calls()[1]?.body['messages']).toEqual([user]);
  });
});

/** The first placeholder of an address that came, or nobody. */
function address({ text }: HostCall): string {
  return /\[EMAIL_\d+\]/.exec(text)?.[0] ?? 'nobody';
}

function chatReply(call: HostCall) {
  const text = `To ${address(call)}!`;
  const args = JSON.stringify({ to: address(call) });
  const head = { id: 'chatcmpl-1', created: 1, model: 'x' };
  if (call.body['stream'] !== true) {
    const toolCall = { id: 'call_1', type: 'function', function: { name: 'mail', arguments: args } };
    const message = { role: 'assistant', content: text, tool_calls: [toolCall] };
    const usage = { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 };
    return {
      body: JSON.stringify({
        ...head,
        object: 'chat.completion',
        choices: [{ index: 0, message, finish_reason: 'tool_calls' }],
        usage,
      }),
    };
  }
  const toolCall = (more: object) => ({ tool_calls: [{ index: 0, ...more }] });
  const deltas = [
    { role: 'assistant', content: '' },
    ...[...text].map((content) => ({ content })),
    toolCall({ id: 'call_1', type: 'function', function: { name: 'mail', arguments: '' } }),
    ...[...args].map((piece) => toolCall({ function: { arguments: piece } })),
  ];
  const chunk = (delta: object, finish: string | null) =>
    `data: ${JSON.stringify({ ...head, object: 'chat.completion.chunk', choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`;
  const body = `${deltas.map((delta) => chunk(delta, null)).join('')}${chunk({}, 'tool_calls')}data: [DONE]\n\n`;
  return { type: 'text/event-stream', body };
}

function messageReply(call: HostCall) {
  const text = `To ${address(call)}!`;
  const input = { to: address(call) };
  const usage = { input_tokens: 1, output_tokens: 1 };
  const head = { id: 'msg_1', type: 'message', role: 'assistant', model: 'x', stop_sequence: null, usage };
  const use = { type: 'tool_use', id: 'toolu_1', name: 'mail' };
  if (call.body['stream'] !== true) {
    return {
      body: JSON.stringify({
        ...head,
        content: [
          { type: 'text', text },
          { ...use, input },
        ],
        stop_reason: 'tool_use',
      }),
    };
  }
  const delta = (index: number, inner: object) => ({ type: 'content_block_delta', index, delta: inner });
  const events = [
    { type: 'message_start', message: { ...head, content: [], stop_reason: null } },
    { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
    ...[...text].map((piece) => delta(0, { type: 'text_delta', text: piece })),
    { type: 'content_block_stop', index: 0 },
    { type: 'content_block_start', index: 1, content_block: { ...use, input: {} } },
    ...[...JSON.stringify(input)].map((piece) => delta(1, { type: 'input_json_delta', partial_json: piece })),
    { type: 'content_block_stop', index: 1 },
    { type: 'message_delta', delta: { stop_reason: 'tool_use', stop_sequence: null }, usage: { output_tokens: 9 } },
    { type: 'message_stop' },
  ];
  const body = events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join('');
  return { type: 'text/event-stream', body };
}
