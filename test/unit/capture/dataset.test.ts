import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { chatRow } from '../../../src/capture/chat-row.js';
import { writeDataset, type CaptureFilter } from '../../../src/capture/dataset.js';
import type { CaptureRow } from '../../../src/capture/row.js';
import { openStore } from './example.js';
import { startedAtMs, waitingRow } from './row-example.js';

const everything: CaptureFilter = { sinceMs: 0, untilMs: Infinity, finishReasons: ['stop', 'end_turn', 'completed'] };
const user = { role: 'user', content: 'Hi' };
const assistant = { role: 'assistant', content: 'Hello' };

function row(
  operation: string,
  request: unknown,
  answer: unknown,
): Pick<CaptureRow, 'operation' | 'request' | 'answer'> {
  return { operation, request: JSON.stringify(request), answer: JSON.stringify(answer) };
}

const chatAnswer = (message: unknown) => ({ choices: [{ index: 0, message, finish_reason: 'stop' }] });

describe('a row of chat messages', () => {
  it.each([
    ['chat', { messages: [{ role: 'developer', content: 'Be short.' }, user] }, chatAnswer(assistant)],
    [
      'messages',
      { system: 'Be short.', messages: [user] },
      { ...assistant, content: [{ type: 'text', text: 'Hello' }] },
    ],
    [
      'messages',
      {
        system: [{ type: 'text', text: 'Be short.' }],
        messages: [{ ...user, content: [{ type: 'text', text: 'Hi' }] }],
      },
      {
        role: 'assistant',
        content: [
          { type: 'thinking', thinking: 'hm' },
          { type: 'text', text: 'Hello' },
        ],
      },
    ],
    [
      'responses',
      { instructions: 'Be short.', input: 'Hi' },
      {
        output: [
          { type: 'reasoning' },
          { type: 'message', role: 'assistant', content: [{ type: 'output_text', text: 'Hello' }] },
        ],
      },
    ],
  ])('comes from each dialect (%s)', (operation, request, answer) => {
    const messages = [{ role: 'system', content: 'Be short.' }, user, assistant];
    expect(chatRow(row(operation, request, answer))).toEqual({ messages });
  });

  it.each([
    ['tools', row('chat', { messages: [user] }, chatAnswer({ role: 'assistant', content: null, tool_calls: [{}] }))],
    ['tools', row('messages', { messages: [user] }, { role: 'assistant', content: [{ type: 'tool_use' }] })],
    ['tools', row('responses', { input: 'Hi' }, { output: [{ type: 'function_call', name: 'x' }] })],
    ['media', row('chat', { messages: [{ role: 'user', content: [{ type: 'image_url' }] }] }, chatAnswer(assistant))],
    ['not_chat', row('completions', { prompt: 'Once' }, { choices: [{ text: 'upon' }] })],
    ['order', row('chat', { messages: [assistant] }, chatAnswer(assistant))],
    ['order', row('chat', { messages: [user] }, { choices: [] })],
    ['order', row('chat', { messages: [user] }, chatAnswer({ role: 'assistant', content: ' ' }))],
    ['control_characters', row('chat', { messages: [user] }, chatAnswer({ ...assistant, content: 'a\u001b[31mb' }))],
    ['too_long', row('chat', { messages: [user] }, chatAnswer({ ...assistant, content: 'x'.repeat(2 ** 20) }))],
  ])('is refused for its reason: %s', (unusable, captured) => {
    expect(chatRow(captured)).toEqual({ unusable });
  });

  it('keeps tabs and line breaks', () => {
    const content = 'a\tb\r\nc';
    expect(chatRow(row('chat', { messages: [user] }, chatAnswer({ ...assistant, content })))).toEqual({
      messages: [user, { ...assistant, content }],
    });
  });
});

describe('a dataset of captured traffic', () => {
  it('holds what the filter lets through, once, and counts the rest', async () => {
    const { folder, journal } = openStore();
    const tools = JSON.stringify(chatAnswer({ role: 'assistant', tool_calls: [{}] }));
    journal.insert(
      [
        {},
        { requestId: 'same' },
        { requestId: 'cut', finishReason: 'length' },
        { requestId: 'tools', answer: tools },
        { requestId: 'seen', role: 'shadow', answer: JSON.stringify(chatAnswer({ ...assistant, content: 'Shadow' })) },
        { requestId: 'else', route: 'other', answer: JSON.stringify(chatAnswer({ ...assistant, content: 'Other' })) },
      ].map(waitingRow),
    );
    const target = join(folder, '..', 'rows.jsonl');
    const report = await writeDataset(folder, everything, target);
    expect(report).toEqual({
      ...{ captured: 5, byRoute: { support: 4, other: 1 }, rows: 2, duplicates: 1, unfinished: 1 },
      unusable: { tools: 1 },
    });
    const written = readFileSync(target, 'utf8').trimEnd().split('\n');
    expect(written.map((line) => JSON.parse(line) as unknown)).toEqual([
      { messages: [{ role: 'user', content: 'Grüße 🙂' }, assistant] },
      {
        messages: [
          { role: 'user', content: 'Grüße 🙂' },
          { ...assistant, content: 'Other' },
        ],
      },
    ]);
    await expect(writeDataset(folder, everything, target)).rejects.toMatchObject({ code: 'FILE_EXISTS' });
  });

  it.each([
    [{ route: 'other' }, 0],
    [{ route: 'support', tenant: 'acme' }, 1],
    [{ tenant: 'nobody' }, 0],
    [{ feature: 'search' }, 0],
    [{ model: 'tickets:2' }, 1],
    [{ model: 'tickets' }, 1],
    [{ model: 'tickets:1' }, 0],
    [{ role: 'shadow' }, 0],
    [{ role: 'primary' }, 1],
    [{ sinceMs: startedAtMs }, 1],
    [{ sinceMs: startedAtMs + 1 }, 0],
    [{ untilMs: startedAtMs }, 0],
    [{ finishReasons: ['length'] }, 0],
  ])('is filtered by %j', async (filter, rows) => {
    const { folder, journal } = openStore();
    journal.insert([waitingRow()]);
    expect((await writeDataset(folder, { ...everything, ...filter }, undefined)).rows).toBe(rows);
  });

  it('is empty where nothing was ever captured', async () => {
    const { folder } = openStore();
    expect((await writeDataset(join(folder, 'nowhere'), everything, undefined)).captured).toBe(0);
    expect(existsSync(join(folder, 'nowhere'))).toBe(false);
  });
});
