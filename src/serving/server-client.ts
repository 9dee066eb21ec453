// Asks a model server directly, over its socket: only what readiness needs to know.
import { z } from 'zod';

import { localClient, type LocalClient, type LocalQuestion } from '../engine/local-client.js';
import { errorCode, errorMessage } from '../errors.js';
import type { ReadinessPrompt } from './prompt.js';

/** `ok: false` says what was seen instead, without anything of a prompt or an answer. */
export type Probe = { ok: true } | { ok: false; seen: string };

export type ServerClient = {
  health: () => Promise<Probe>;
  names: (model: string) => Promise<Probe>;
  answers: (model: string, prompt: ReadinessPrompt, timeoutMs: number) => Promise<Probe>;
  /** A whole answer for golden prompts, or its first `tokens`; null where the server does not count them. */
  complete: (
    model: string,
    prompt: ReadinessPrompt,
    tokens?: number,
  ) => Promise<{ ok: true; text: string; tokens: number | null } | { ok: false; seen: string }>;
  /** undefined: the server offers no sleep. */
  isAsleep: () => Promise<boolean | undefined>;
  /** vLLM's level 1: the weights go to the machine's memory, attention keys and values are dropped. Idempotent, as is `wake`. */
  sleep: () => Promise<Probe>;
  wake: () => Promise<Probe>;
  close: () => void;
};

const probeTimeoutMs = 5_000;
const answerTimeoutMs = 120_000;
/** Weights of a large model, through the bus into the machine's memory. */
const sleepTimeoutMs = 300_000;
const maxTokens = 16;

const modelsSchema = z.object({ data: z.array(z.object({ id: z.string() })) });
const answerSchema = z.object({
  choices: z.array(z.object({ message: z.object({ content: z.string() }), finish_reason: z.string() })).min(1),
  usage: z.object({ completion_tokens: z.number() }).nullish().catch(null),
});

const chatPath = '/v1/chat/completions';
const noAnswer = { ok: false as const, seen: `${chatPath} sent no answer of a known form` };

function serverClient(address: string): ServerClient {
  const client = localClient(address);
  return {
    health: () => probe(client, { path: '/health', timeoutMs: probeTimeoutMs }, () => ({ ok: true })),
    names: (model) =>
      probe(client, { path: '/v1/models', timeoutMs: probeTimeoutMs }, (text) => namesModel(parse(text), model)),
    answers: (model, prompt, timeoutMs) =>
      probe(client, { path: chatPath, timeoutMs, body: chatBody(model, prompt, maxTokens) }, (text) =>
        isAnswer(parse(text), prompt),
      ),
    // Golden prompts have no limit of their own: with one that the window does not leave, servers refuse the question.
    complete: (model, prompt, tokens) => complete(client, chatBody(model, prompt, tokens)),
    isAsleep: () => askSleeping(client),
    sleep: () => probe(client, { path: '/sleep?level=1', timeoutMs: sleepTimeoutMs, body: '' }, () => ({ ok: true })),
    wake: () => probe(client, { path: '/wake_up', timeoutMs: sleepTimeoutMs, body: '' }, () => ({ ok: true })),
    close: client.close,
  };
}

/** One conversation with a server: its connections are closed at the end of it. */
export async function askServer<Answer>(
  address: string,
  ask: (client: ServerClient) => Promise<Answer>,
): Promise<Answer> {
  const client = serverClient(address);
  try {
    return await ask(client);
  } finally {
    client.close();
  }
}

async function complete(client: LocalClient, body: string): ReturnType<ServerClient['complete']> {
  let text = '';
  let tokens: number | null = null;
  const seen = await probe(client, { path: chatPath, timeoutMs: answerTimeoutMs, body }, (sent) => {
    const answer = answerSchema.safeParse(parse(sent)).data;
    const content = answer?.choices[0]?.message.content;
    text = content ?? '';
    tokens = answer?.usage?.completion_tokens ?? null;
    return content === undefined ? noAnswer : { ok: true };
  });
  return seen.ok ? { ok: true, text, tokens } : seen;
}

const sleepingSchema = z.object({ is_sleeping: z.boolean() });

async function askSleeping(client: LocalClient): Promise<boolean | undefined> {
  let asleep: boolean | undefined;
  await probe(client, { path: '/is_sleeping', timeoutMs: probeTimeoutMs }, (text) => {
    asleep = sleepingSchema.safeParse(parse(text)).data?.is_sleeping;
    return { ok: true };
  });
  return asleep;
}

async function probe(client: LocalClient, question: LocalQuestion, judge: (text: string) => Probe): Promise<Probe> {
  const { path } = question;
  try {
    const { status, text } = await client.ask(question);
    return status === 200 ? judge(text) : { ok: false, seen: `${path} answered ${status}` };
  } catch (error) {
    return { ok: false, seen: `${path} did not answer (${errorCode(error) ?? errorMessage(error)})` };
  }
}

function chatBody(model: string, prompt: ReadinessPrompt, tokens: number | undefined): string {
  return JSON.stringify({ model, messages: prompt.messages, max_tokens: tokens, temperature: 0 });
}

function namesModel(value: unknown, model: string): Probe {
  const names = modelsSchema.safeParse(value).data?.data.map(({ id }) => id) ?? [];
  return names.includes(model)
    ? { ok: true }
    : { ok: false, seen: `/v1/models names ${names.join(', ') || 'nothing'}` };
}

/** A model must have something to say to a row of its own kind; to a stranger's question silence is an answer too. */
function isAnswer(value: unknown, prompt: ReadinessPrompt): Probe {
  const content = answerSchema.safeParse(value).data?.choices[0]?.message.content;
  if (content === undefined) return noAnswer;
  return content !== '' || !prompt.heldOut
    ? { ok: true }
    : { ok: false, seen: 'its answer to a held-out row is empty' };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
