import { describe, expect, it } from 'vitest';

import { detectShape, shapeRow } from '../../../src/dataset/shape.js';

const user = (content: string) => ({ role: 'user', content });
const assistant = (content: string) => ({ role: 'assistant', content });
const system = (content: string) => ({ role: 'system', content });

describe('each shape becomes prompt and completion', () => {
  it('messages, with a system message and several turns', () => {
    const messages = [system('s'), user('a'), assistant('b'), user('c'), assistant('d')];
    expect(shapeRow({ messages, id: 7 }, 'messages')).toEqual({
      row: { prompt: messages.slice(0, -1), completion: [assistant('d')] },
    });
  });

  it('messages as JSON text, as CSV has them', () => {
    const messages = [user('a'), assistant('b')];
    expect(shapeRow({ messages: JSON.stringify(messages) }, 'messages')).toEqual({
      row: { prompt: [user('a')], completion: [assistant('b')] },
    });
  });

  it('prompt and completion as texts, which stay as they are', () => {
    expect(shapeRow({ prompt: ' [{"a": 1}] ', completion: ' b\n' }, 'prompt_completion')).toEqual({
      row: { prompt: [user(' [{"a": 1}] ')], completion: [assistant(' b\n')] },
    });
  });

  it('prompt and completion as messages', () => {
    const row = { prompt: [system('s'), user('a')], completion: [assistant('b')] };
    expect(shapeRow(row, 'prompt_completion')).toEqual({ row });
  });

  it('instruction with and without input', () => {
    const prompt = (input?: string | null) => shapeRow({ instruction: 'Sum up', input, output: 'b' }, 'instruction');
    const withInput = { row: { prompt: [user('Sum up\n\ntext')], completion: [assistant('b')] } };
    const without = { row: { prompt: [user('Sum up')], completion: [assistant('b')] } };
    expect([prompt('text'), prompt(''), prompt(null), prompt()]).toEqual([withInput, without, without, without]);
  });
});

describe('a row is refused, and its words are not quoted,', () => {
  const secret = 'secret';
  it.each([
    ['messages', 5, 'is not an object with keys'],
    ['messages', { chat: secret, id: 1 }, 'has no messages; its keys are chat, id'],
    ['messages', { messages: secret }, 'messages is not a list of messages'],
    ['messages', { messages: [] }, 'messages has no message'],
    ['messages', { messages: [secret] }, 'message 1 is not an object with role and content'],
    ['messages', { messages: [{ content: secret }] }, 'message 1 has no role'],
    [
      'messages',
      { messages: [{ role: 'human', content: secret }] },
      "message 1 has the role 'human'; known: system, user, assistant",
    ],
    [
      'messages',
      { messages: [user(secret), { role: 'assistant', content: null }] },
      'the content of message 2 is no text',
    ],
    ['messages', { messages: [user(' '), assistant(secret)] }, 'the content of message 1 is empty'],
    ['messages', { messages: [user(secret)] }, 'does not end with an answer of the assistant'],
    ['messages', { messages: [assistant(secret)] }, 'has no message of the user before the answer'],
    [
      'messages',
      { messages: [user(secret), user(secret), assistant('a')] },
      "message 2 is of the user where the assistant's turn is",
    ],
    [
      'messages',
      { messages: [user(secret), system(secret), assistant('a')] },
      "message 2 is of the system where the assistant's turn is",
    ],
    [
      'messages',
      { messages: [user('a'), assistant('b'), assistant('c')] },
      'has two answers of the assistant in a row at its end',
    ],
    ['prompt_completion', { prompt: secret }, 'has no completion; its keys are prompt'],
    ['prompt_completion', { prompt: '', completion: secret }, 'prompt is empty'],
    ['prompt_completion', { prompt: secret, completion: '\n' }, 'completion is empty'],
    [
      'prompt_completion',
      { prompt: secret, completion: [user(secret)] },
      'completion must be one message of the assistant',
    ],
    ['prompt_completion', { prompt: secret, completion: 5 }, 'completion is not a list of messages'],
    ['instruction', { instruction: '', output: secret }, 'instruction is empty or no text'],
    ['instruction', { instruction: secret, output: 4 }, 'output is empty or no text'],
    ['instruction', { instruction: secret, input: 4, output: secret }, 'input is no text'],
  ] as const)('%s %j', (shape, value, problem) => {
    expect(shapeRow(value, shape)).toEqual({ problem });
  });
});

describe('the shape of a file', () => {
  it('is the one that most rows have', () => {
    const chat = { messages: [] };
    const pair = { prompt: 'a', completion: 'b' };
    expect(detectShape([pair, chat, chat])).toBe('messages');
    expect(detectShape([pair])).toBe('prompt_completion');
    expect(detectShape([{ instruction: 'a', output: 'b' }, 5, null])).toBe('instruction');
  });

  it('is unknown when no row has one', () => {
    expect(detectShape([{ text: 'a' }, 'b'])).toBeUndefined();
    expect(detectShape([])).toBeUndefined();
  });
});
