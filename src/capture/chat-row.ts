// A captured question and answer as a row of chat messages that a recipe can learn from, or why it is none. Pure.
import { shapeRow } from '../dataset/shape.js';
import type { CaptureRow } from './row.js';

export type ChatMessage = { role: string; content: string };
/** Counted by reason; the words are for people. */
export type Unusable = 'tools' | 'media' | 'not_chat' | 'order' | 'control_characters' | 'too_long';
export type ChatRow = { messages: ChatMessage[] } | { unusable: Unusable };

/** No honest training row is longer. */
const longestRowChars = 1024 * 1024;
/** Tab and line breaks are text. */
const controlCharacters = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]/;

type Fields = Record<string, unknown>;

export function chatRow({ operation, request, answer }: Pick<CaptureRow, 'operation' | 'request' | 'answer'>): ChatRow {
  if (request.length + answer.length > longestRowChars) return { unusable: 'too_long' };
  const asked = JSON.parse(request) as Fields;
  const answered = JSON.parse(answer) as Fields;
  const said = saidIn(operation, asked, answered);
  if (said === undefined) return { unusable: 'not_chat' };
  const messages: ChatMessage[] = [];
  for (const message of said) {
    const content = textOf(fieldsOf(message)['content']);
    if (typeof content !== 'string') return content;
    if (usesTools(fieldsOf(message))) return { unusable: 'tools' };
    if (controlCharacters.test(content)) return { unusable: 'control_characters' };
    messages.push({ role: roleOf(fieldsOf(message)['role']), content });
  }
  return 'row' in shapeRow({ messages }, 'messages') ? { messages } : { unusable: 'order' };
}

/** All messages of a conversation with its answer, each dialect's system prompt first. @returns undefined for what is no chat */
function saidIn(operation: string, asked: Fields, answered: Fields): unknown[] | undefined {
  switch (operation) {
    case 'chat':
      return [...listOf(asked['messages']), fieldsOf(listOf(answered['choices'])[0])['message']];
    case 'messages':
      return [...instructions(asked['system']), ...listOf(asked['messages']), answered];
    case 'responses': {
      const input = asked['input'];
      const question = typeof input === 'string' ? [{ role: 'user', content: input }] : listOf(input);
      return [...instructions(asked['instructions']), ...question, ...listOf(answered['output'])].filter(
        (item) => fieldsOf(item)['type'] !== 'reasoning',
      );
    }
    default:
      return undefined;
  }
}

function instructions(content: unknown): unknown[] {
  return content === undefined || content === null ? [] : [{ role: 'system', content }];
}

function textOf(content: unknown): string | { unusable: Unusable } {
  if (content === null || content === undefined) return '';
  if (typeof content === 'string') return content;
  const parts: string[] = [];
  for (const part of listOf(content)) {
    const { type, text } = fieldsOf(part);
    if (type === 'thinking' || type === 'redacted_thinking') continue;
    if (typeof type === 'string' && /tool_(use|result)$/.test(type)) return { unusable: 'tools' };
    if (typeof text !== 'string') return { unusable: 'media' };
    parts.push(text);
  }
  return parts.join('\n');
}

/** Calls of tools and their answers: recipes learn from text alone. */
function usesTools({ tool_calls: calls, role, type }: Fields): boolean {
  const isItem = typeof type === 'string' && type !== 'message';
  return (Array.isArray(calls) && calls.length > 0) || role === 'tool' || role === 'function' || isItem;
}

function roleOf(role: unknown): string {
  return role === 'developer' ? 'system' : String(role);
}

function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? (value as unknown[]) : [];
}

function fieldsOf(value: unknown): Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {};
}
