// Asks a model through the gateway and hands its words on as they come: the client side of `mlx chat`.
import { createParser } from 'eventsource-parser';
import { Client, type Dispatcher } from 'undici';
import { z } from 'zod';

import { errorCode, MlxError } from '../errors.js';

export type ChatMessage = { role: 'system' | 'user' | 'assistant'; content: string };

export type ChatAnswer = {
  /** `tickets:2`, as the gateway says. */
  version: string;
  text: string;
  finishReason: string | null;
  firstTextMs: number;
  durationMs: number;
  /** Ended by the person before the model was through. */
  interrupted: boolean;
};

export type ChatQuestion = {
  /** `http://127.0.0.1:4600`. */
  origin: string;
  key: string;
  model: string;
  messages: ChatMessage[];
  maxTokens?: number | undefined;
};

const chunkSchema = z.object({
  error: z.object({ message: z.string(), code: z.string().nullish() }).optional(),
  choices: z
    .array(z.object({ delta: z.object({ content: z.string().nullish() }), finish_reason: z.string().nullish() }))
    .optional(),
});

/** @throws MlxError CHAT_REFUSED with the gateway's own words, CHAT_BROKEN, GATEWAY_DOWN */
export async function askModel(
  question: ChatQuestion,
  onText: (text: string) => void,
  signal: AbortSignal,
): Promise<ChatAnswer> {
  const begun = performance.now();
  const client = new Client(question.origin, { headersTimeout: 600_000 });
  const answer = { version: '', text: '', finishReason: null as string | null, firstTextMs: 0 };
  const result = (interrupted: boolean) => ({
    ...answer,
    durationMs: Math.round(performance.now() - begun),
    interrupted,
  });
  try {
    const response = await send(client, question, signal);
    answer.version = String(response.headers['x-mlx-version'] ?? '');
    await readEvents(response, (words, finishReason) => {
      if (answer.text === '') answer.firstTextMs = Math.round(performance.now() - begun);
      answer.text += words;
      answer.finishReason = finishReason ?? answer.finishReason;
      if (words !== '') onText(words);
    });
    return result(false);
  } catch (error) {
    if (signal.aborted) return result(true);
    throw error instanceof MlxError ? error : unreachable(question, error);
  } finally {
    await client.destroy();
  }
}

async function send(client: Client, question: ChatQuestion, signal: AbortSignal): Promise<Dispatcher.ResponseData> {
  const { key, model, messages, maxTokens } = question;
  const response = await client.request({
    path: '/v1/chat/completions',
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', accept: 'text/event-stream' },
    body: JSON.stringify({
      model,
      messages,
      stream: true,
      ...(maxTokens === undefined ? {} : { max_tokens: maxTokens }),
    }),
    signal,
  });
  if (response.statusCode === 200) return response;
  const refusal = chunkSchema.safeParse(await response.body.json().catch(() => undefined)).data?.error;
  throw new MlxError('CHAT_REFUSED', refusal?.message ?? `The gateway answered with status ${response.statusCode}.`, {
    hint: 'See what runs: mlx gateway status',
  });
}

async function readEvents(
  response: Dispatcher.ResponseData,
  onChunk: (words: string, finishReason: string | null) => void,
): Promise<void> {
  const decoder = new TextDecoder();
  const parser = createParser({
    onEvent: ({ data: text }) => {
      if (text === '[DONE]') return;
      const { error, choices } = chunkSchema.parse(JSON.parse(text));
      if (error) throw new MlxError('CHAT_BROKEN', error.message, { hint: 'Its log says why: mlx logs' });
      const [choice] = choices ?? [];
      if (choice) onChunk(choice.delta.content ?? '', choice.finish_reason ?? null);
    },
  });
  for await (const chunk of response.body as AsyncIterable<Uint8Array>)
    parser.feed(decoder.decode(chunk, { stream: true }));
}

function unreachable({ origin }: ChatQuestion, cause: unknown): MlxError {
  return new MlxError(
    'GATEWAY_DOWN',
    `The gateway at ${origin} did not answer (${errorCode(cause) ?? 'broken off'}).`,
    {
      cause,
      hint: 'Start it: mlx gateway start',
    },
  );
}
