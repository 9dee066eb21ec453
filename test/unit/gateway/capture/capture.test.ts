// What a gateway keeps of the conversations on a route that captures: real HTTP, the official clients, real files.
import { existsSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { afterEach, expect, test } from 'vitest';

import type { CaptureRow } from '../../../../src/capture/row.js';
import { readCaptures } from '../../../../src/capture/store.js';
import { fixture, startAnthropicHost, startOpenAiHost, type Host, type HostCall } from '../fake-hosts.js';
import { startBench, type Bench } from '../stand-in.js';

let open: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
  open = [];
});

const secret = 'jane@example.com';
const user = { role: 'user' as const, content: `I am ${secret}.` };

/** A sentence with an address in it, one letter an event where a stream is asked for. */
function chatReply({ body }: HostCall) {
  const text = `Hello ${secret}`;
  if (body['stream'] !== true) {
    const message = { role: 'assistant', content: text };
    const logprobs = { content: [{ token: 'jane', logprob: 0 }] };
    return { body: JSON.stringify({ choices: [{ index: 0, message, finish_reason: 'stop', logprobs }] }) };
  }
  const chunk = (delta: object, finish: string | null = null): string =>
    `data: ${JSON.stringify({ choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`;
  const letters = [...text].map((content) => chunk({ content }));
  const events = [chunk({ role: 'assistant', content: '' }), ...letters, chunk({}, 'stop'), 'data: [DONE]\n\n'];
  return { type: 'text/event-stream', body: events.join('') };
}

async function host(respond = chatReply): Promise<Host> {
  const started = await startOpenAiHost(respond);
  open.push(started.close);
  return started;
}

type Setting = { bench: Bench; openai: OpenAI; anthropic: Anthropic; warnings: string[] };

async function gateway(config: string): Promise<Setting> {
  const warnings: string[] = [];
  const bench = await startBench({ config, warn: (line) => warnings.push(line) });
  open.push(bench.close);
  const openai = new OpenAI({ baseURL: `${bench.url}/v1`, apiKey: bench.key, maxRetries: 0 });
  const anthropic = new Anthropic({ baseURL: bench.url, apiKey: bench.key, maxRetries: 0 });
  return { bench, openai, anthropic, warnings };
}

/** The gateway writes what it has when it stops. */
async function captured(bench: Bench): Promise<(CaptureRow & { asked: unknown; answered: unknown })[]> {
  await bench.restart();
  const rows: CaptureRow[] = [];
  for await (const row of readCaptures(join(bench.folder, 'captures'))) rows.push(row);
  return rows.map((row) => ({
    ...row,
    asked: JSON.parse(row.request) as unknown,
    answered: JSON.parse(row.answer) as unknown,
  }));
}

const local = (url: string, more = ''): string =>
  `upstreams:\n  ours: { dialect: openai, url: "${url}", local: true }\nroutes:\n  chat: { primary: ours/x${more} }\n`;

test('a streamed answer and a whole one are kept alike, redacted, in a Parquet file that only the owner reads', async () => {
  const { url } = await host();
  const { bench, openai } = await gateway(local(url, ', data_class: private, capture: {}'));
  for await (const chunk of await openai.chat.completions.create({
    model: 'chat',
    messages: [user],
    stream: true,
    user: 'u-1',
  }))
    expect(chunk.object).toBeUndefined();
  await openai.chat.completions.create({ model: 'chat', messages: [user], logprobs: true });
  const rows = await captured(bench);
  expect(rows).toHaveLength(2);
  for (const row of rows) {
    expect(row).toMatchObject({ route: 'chat', role: 'primary', operation: 'chat', upstream: 'ours', model: 'x' });
    expect(row).toMatchObject({
      finishReason: 'stop',
      identifiers: 1,
      asked: { messages: [{ content: 'I am [EMAIL_1].' }] },
    });
    const message = { role: 'assistant', content: 'Hello [EMAIL_1]' };
    expect(row.answered).toEqual({ choices: [{ index: 0, message, finish_reason: 'stop' }] });
    expect(row.request).not.toContain('u-1');
  }
  const folder = join(bench.folder, 'captures');
  const files = readdirSync(folder);
  expect(files.filter((name) => name.endsWith('.parquet'))).toHaveLength(1);
  expect(files.map((name) => statSync(join(folder, name)).mode & 0o077).filter((mode) => mode !== 0)).toEqual([]);
  for (const name of files) expect(readFileSync(join(folder, name), 'latin1')).not.toContain('jane');
});

test("Anthropic's clients, tools and translated answers are kept in the words of the client's dialect", async () => {
  const claude = await startAnthropicHost();
  open.push(claude.close);
  const config = `
upstreams: { claude: { dialect: anthropic, url: "${claude.url}" } }
routes: { chat: { primary: claude/x, capture: {} } }`;
  const { bench, openai, anthropic } = await gateway(config);
  const tools = [{ name: 'weather', input_schema: { type: 'object' as const } }];
  const asked = { model: 'chat', max_tokens: 50, messages: [user] };
  const whole = await anthropic.messages.create({ ...asked, tools });
  await anthropic.messages.stream({ ...asked, tools }).finalMessage();
  const functions = [{ type: 'function' as const, function: { name: 'weather', parameters: { type: 'object' } } }];
  const chat = { model: 'chat', messages: [user], tools: functions };
  const translated = await openai.chat.completions.create(chat);
  await openai.chat.completions.stream(chat).finalChatCompletion();
  const [one, other, third, fourth] = await captured(bench);
  const content = whole.content.map((block) => ({ ...block, signature: undefined }));
  expect(one?.answered).toEqual({ role: 'assistant', content, stop_reason: 'tool_use' });
  expect(other?.answered).toEqual(one?.answered);
  const message = translated.choices[0]?.message;
  expect(third?.answered).toMatchObject({ choices: [{ message: { tool_calls: message?.tool_calls } }] });
  expect(fourth?.answered).toMatchObject({
    choices: [
      { message: { tool_calls: message?.tool_calls?.map((call) => expect.objectContaining(call) as unknown) } },
    ],
  });
});

test('nothing is kept of a route that does not capture, of a refused request, or of an answer that broke off', async () => {
  const { url } = await host(({ body }) =>
    body['stream'] === true
      ? { type: 'text/event-stream', body: 'data: {"choices":[{"delta":{"content":"a"}}]}\n\n' }
      : { status: 400, body: '{}' },
  );
  const { bench, openai } = await gateway(local(url, ', capture: {}'));
  await expect(openai.chat.completions.create({ model: 'chat', messages: [user] })).rejects.toThrow();
  await expect(openai.chat.completions.stream({ model: 'chat', messages: [user] }).finalMessage()).rejects.toThrow();
  expect(await captured(bench)).toEqual([]);
  const silent = await gateway(local((await host()).url));
  await silent.openai.chat.completions.create({ model: 'chat', messages: [user] });
  expect(await captured(silent.bench)).toEqual([]);
  expect(existsSync(join(silent.bench.folder, 'captures'))).toBe(false);
});

test('about the wanted share is kept', async () => {
  const { url } = await host();
  const { bench, openai } = await gateway(local(url, ', capture: { percent: 30 }'));
  for (let asked = 0; asked < 100; asked += 1)
    await openai.chat.completions.create({ model: 'chat', messages: [user] });
  const { length } = await captured(bench);
  expect(length).toBeGreaterThan(10);
  expect(length).toBeLessThan(55);
});

test("a shadow's answer stands beside the one that the client saw", async () => {
  const [primary, shadow] = [await host(), await host(() => ({ body: fixture('chat-text.json') }))];
  const config = `
upstreams:
  ours: { dialect: openai, url: "${primary.url}", local: true }
  theirs: { dialect: openai, url: "${shadow.url}" }
routes:
  chat: { primary: ours/x, shadow: { target: theirs/y }, capture: { percent: 50 } }`;
  const { bench, openai } = await gateway(config);
  for (let asked = 0; asked < 10; asked += 1) {
    await openai.chat.completions.create({ model: 'chat', messages: [user] });
    // One at a time: there are never many shadows at once.
    while ((await bench.control.state())?.inFlight['theirs'] !== undefined);
  }
  const rows = await captured(bench);
  const ids = (role: string): string[] => rows.filter((row) => row.role === role).map(({ requestId }) => requestId);
  expect(ids('primary').length).toBeGreaterThan(0);
  expect(ids('shadow').sort()).toEqual(ids('primary').sort());
  expect(rows.find(({ role }) => role === 'shadow')?.answer).toContain('Grüße, 🙂 world');
});

test('what cannot be redacted is not written, and an alarm says so while answers go on', async () => {
  const { url } = await host();
  const names = await startOpenAiHost(() => ({ status: 500, body: '{}' }));
  open.push(names.close);
  const detector = `gateway: { redaction: { names: { url: "${names.url.replace('/v1', '/names')}" } } }\n`;
  const { bench, openai, warnings } = await gateway(detector + local(url, ', capture: {}'));
  for (let asked = 0; asked < 3; asked += 1) {
    const answer = await openai.chat.completions.create({ model: 'chat', messages: [user] });
    expect(answer.choices[0]?.message.content).toContain(secret);
  }
  expect(await captured(bench)).toEqual([]);
  expect(warnings).toEqual([expect.stringContaining('cannot be redacted')]);
  expect(warnings[0]).not.toContain('jane');
  const log = readFileSync(join(bench.folder, 'gateway.log'), 'utf8');
  expect(log).toContain('"capture_failed"');
  expect(log).not.toContain('jane');
});

test('answers go on while nothing can be written, an alarm says so, and again when it can', async () => {
  const { url } = await host();
  const { bench, openai, warnings } = await gateway(local(url, ', capture: {}'));
  const ask = () => openai.chat.completions.create({ model: 'chat', messages: [user] });
  const inTheWay = join(bench.folder, 'captures');
  writeFileSync(inTheWay, '');
  for (let asked = 0; asked < 3; asked += 1) expect((await ask()).choices).toHaveLength(1);
  while (warnings.length === 0) await ask();
  expect(warnings).toEqual([expect.stringContaining('cannot be written')]);
  expect(await metric(bench)).toBeGreaterThan(0);
  rmSync(inTheWay);
  while (warnings.length === 1) await ask();
  expect(warnings[1]).toMatch(/can be written again; \d+ answers were not captured/);
  expect((await captured(bench)).length).toBeGreaterThan(0);
});

async function metric(bench: Bench): Promise<number> {
  const answer = await fetch(`${bench.url}/metrics`, { headers: { authorization: `Bearer ${bench.key}` } });
  return Number(/^mlx_gateway_captures_lost (\d+)$/m.exec(await answer.text())?.[1]);
}

test('images are never kept, also where they may leave the machine', async () => {
  const { url } = await host();
  const { bench, openai } = await gateway(local(url, ', capture: {}, redaction: { allow_media: true }'));
  const image = { type: 'image_url' as const, image_url: { url: 'data:image/png;base64,AAAA' } };
  await openai.chat.completions.create({ model: 'chat', messages: [{ role: 'user', content: [image] }] });
  expect(await captured(bench)).toEqual([]);
});
