// Hosts of each dialect, as strict as the real ones where it matters: they refuse what those refuse, remember what they were
// asked, and answer tools with calls, results with a text that holds them, and a schema with JSON.
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

import { root } from '../source-tree.js';

export type HostCall = {
  path: string;
  headers: IncomingMessage['headers'];
  body: Record<string, unknown>;
  text: string;
};

export type Host = {
  /** As the dialect's official client takes it. */
  url: string;
  calls: HostCall[];
  close: () => Promise<void>;
};

type Reply = { status?: number; type?: string; body: string };
type Respond = (call: HostCall) => Reply;

export function fixture(name: string): string {
  return readFileSync(join(root, 'test', 'fixtures', 'gateway', name), 'utf8');
}

export function startOpenAiHost(respond: Respond = answerChat): Promise<Host> {
  return startHost('/v1', respond);
}

export function startAnthropicHost(respond: Respond = answerMessages): Promise<Host> {
  return startHost('', respond);
}

async function startHost(basePath: string, respond: Respond): Promise<Host> {
  const calls: HostCall[] = [];
  const server = createServer((incoming, outgoing) => {
    void readCall(incoming).then((call) => {
      calls.push(call);
      reply(outgoing, respond(call));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}${basePath}`,
    calls,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function readCall(incoming: IncomingMessage): Promise<HostCall> {
  const chunks: Buffer[] = [];
  for await (const chunk of incoming as AsyncIterable<Buffer>) chunks.push(chunk);
  const text = Buffer.concat(chunks).toString('utf8');
  const body = JSON.parse(text) as Record<string, unknown>;
  return { path: incoming.url ?? '', headers: incoming.headers, body, text };
}

/** In pieces of seven bytes: nothing may rely on where a chunk ends. */
function reply(outgoing: ServerResponse, { status = 200, type = 'application/json', body }: Reply): void {
  outgoing.writeHead(status, { 'content-type': type });
  const bytes = Buffer.from(body);
  for (let at = 0; at < bytes.length; at += 7) outgoing.write(bytes.subarray(at, at + 7));
  outgoing.end();
}

const events = 'text/event-stream';

type ChatMessage = { role: string; content?: unknown; tool_calls?: { id: string }[]; tool_call_id?: string };

export function answerChat({ body }: HostCall): Reply {
  const {
    messages,
    stream,
    tools,
    response_format: format,
  } = body as {
    messages: ChatMessage[];
    stream?: boolean;
    tools?: unknown[];
    response_format?: { type: string; json_schema?: { schema: unknown } };
  };
  const called = messages.flatMap((message) => message.tool_calls ?? []).map(({ id }) => id);
  const results = messages.filter(({ role }) => role === 'tool');
  if (results.length !== called.length || results.some(({ tool_call_id: id }) => !called.includes(id ?? '')))
    return openAiRefusal('every tool call needs its result');
  if (results.length > 0) return chatText(results.map(({ content }) => content).join(' and '), stream);
  if (format?.json_schema) return chatText('{"label":"billing"}', stream);
  const name = tools ? 'chat-tools' : 'chat-text';
  return stream === true ? { type: events, body: fixture(`${name}.sse`) } : { body: fixture(`${name}.json`) };
}

function chatText(text: string, stream: boolean | undefined): Reply {
  const name = stream === true ? 'chat-text.sse' : 'chat-text.json';
  const words = JSON.stringify(text).slice(1, -1);
  const body = fixture(name)
    .replace('Grüße, 🙂 world', () => words)
    .replace('Grüße', () => words)
    .replace(', 🙂 world', '');
  return { type: stream === true ? events : 'application/json', body };
}

function openAiRefusal(message: string): Reply {
  const error = { message, type: 'invalid_request_error', param: 'messages', code: null };
  return { status: 400, body: JSON.stringify({ error }) };
}

type Block = { type: string; id?: string; tool_use_id?: string; text?: string; content?: string | { text: string }[] };
type Turn = { role: string; content: string | Block[] };

export function answerMessages({ body, headers }: HostCall): Reply {
  const {
    messages,
    stream,
    tools,
    max_tokens: limit,
    output_config: config,
  } = body as {
    messages: Turn[];
    stream?: boolean;
    tools?: unknown[];
    max_tokens?: number;
    output_config?: { format?: object };
  };
  if (headers['anthropic-version'] === undefined) return anthropicRefusal('anthropic-version is missing');
  if (typeof limit !== 'number') return anthropicRefusal('max_tokens: Field required');
  if (messages.some(({ role }, index) => role !== (index % 2 === 0 ? 'user' : 'assistant')))
    return anthropicRefusal('roles must alternate');
  const blocks = messages.map(({ content }) => (typeof content === 'string' ? [] : content));
  const used = blocks.flat().flatMap(({ type, id }) => (type === 'tool_use' ? [id] : []));
  const results = (blocks.at(-1) ?? []).filter(({ type }) => type === 'tool_result');
  if (results.length !== used.length || results.some(({ tool_use_id: id }) => !used.includes(id)))
    return anthropicRefusal('tool_use ids were found without tool_result blocks');
  if (results.length > 0) return messageText(results.map(resultText).join(' and '), stream);
  if (config?.format) return messageText('{"label":"billing"}', stream);
  const name = tools ? 'messages-tools' : 'messages-text';
  return stream === true ? { type: events, body: fixture(`${name}.sse`) } : { body: fixture(`${name}.json`) };
}

function resultText({ content = '' }: Block): string {
  return typeof content === 'string' ? content : content.map(({ text }) => text).join('');
}

function messageText(text: string, stream: boolean | undefined): Reply {
  const name = stream === true ? 'messages-text.sse' : 'messages-text.json';
  const words = JSON.stringify(text).slice(1, -1);
  const body = fixture(name)
    .replace('Grüße, 🙂 world', () => words)
    .replace('Grüße', () => words)
    .replace(', 🙂 world', '');
  return { type: stream === true ? events : 'application/json', body };
}

function anthropicRefusal(message: string): Reply {
  return { status: 400, body: JSON.stringify({ type: 'error', error: { type: 'invalid_request_error', message } }) };
}
