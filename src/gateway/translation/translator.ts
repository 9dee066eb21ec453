// Between a client of one dialect and an upstream of the other: which pairs there are, and what each one does.
import type { z } from 'zod';

import type { Dialect, Operation } from '../exchange.js';
import type { WrongField } from '../local-fields.js';
import type { Passage } from '../stages.js';
import { chatRequestToMessages } from './chat-request.js';
import { chatStreamToMessages } from './chat-stream.js';
import { completionToMessage } from './completion.js';
import { messageToCompletion } from './message.js';
import { messagesRequestToChat } from './messages-request.js';
import { messagesStreamToChat } from './messages-stream.js';

type Fields = Readonly<Record<string, unknown>>;

export type Translator = {
  /** What the upstream is asked. */
  operation: Operation;
  /** @throws Untranslatable */
  request: (fields: Fields, about: Upstream) => Record<string, unknown>;
  /** A whole answer. @throws when the upstream's answer has not the shape of its dialect */
  answer: (body: unknown, created: Created) => unknown;
  /** An answer in events. */
  stream: (asked: Fields, created: Created) => Passage;
};

export type Upstream = { model: string; origin: string };

/** What an answer needs that the upstream did not say. */
export type Created = { id: string; atSeconds: number };

/** A request that the upstream's dialect has no words for: 400, never silently less than what was asked. */
export class UntranslatableError extends Error {
  override readonly name = 'UntranslatableError';
  constructor(readonly field: WrongField) {
    super(field.message);
  }
}

const translators: Partial<Record<Operation, Partial<Record<Dialect, Translator>>>> = {
  chat: {
    anthropic: {
      operation: 'messages',
      request: chatRequestToMessages,
      answer: messageToCompletion,
      stream: messagesStreamToChat,
    },
  },
  messages: {
    openai: {
      operation: 'chat',
      request: messagesRequestToChat,
      answer: completionToMessage,
      stream: chatStreamToMessages,
    },
  },
};

/** undefined: this operation has no counterpart there. */
export function translatorFor(operation: Operation, upstream: Dialect): Translator | undefined {
  return translators[operation]?.[upstream];
}

/** Parses what a request says as far as it can be translated; the first thing that cannot is named. */
export function parseTranslatable<Schema extends z.ZodType>(schema: Schema, fields: Fields): z.output<Schema> {
  const parsed = schema.safeParse(fields);
  if (parsed.success) return parsed.data;
  throw untranslatable(...firstIssue(parsed.error.issues, []));
}

export function untranslatable(path: readonly PropertyKey[], why: string): UntranslatableError {
  const param = path.map(String).join('.').slice(0, 200);
  return new UntranslatableError({ param, message: `'${param}' cannot be translated for the upstream: ${why}` });
}

/** Of a union, the alternative that came furthest: its complaint is the one that helps. */
function firstIssue(
  issues: readonly z.core.$ZodIssue[],
  base: readonly PropertyKey[],
): [path: readonly PropertyKey[], why: string] {
  const [issue] = issues;
  if (!issue) return [base, 'it has an unknown form'];
  const path = [...base, ...issue.path];
  if (issue.code === 'unrecognized_keys') return [[...path, issue.keys[0] ?? ''], 'it has no counterpart there'];
  if (issue.code !== 'invalid_union' || issue.errors.length === 0) return [path, issue.message];
  const found = issue.errors.map((errors) => firstIssue(errors, path));
  return found.reduce((furthest, one) => (one[0].length > furthest[0].length ? one : furthest));
}
