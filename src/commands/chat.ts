// `mlx chat`: talks to a model through the gateway, as an application would. Starts the gateway when it does not run.
import pc from 'picocolors';

import { readWholeNumber } from '../config/whole-number.js';
import type { Context } from '../context.js';
import { exitStatus, MlxError } from '../errors.js';
import { askModel, type ChatAnswer, type ChatMessage, type ChatQuestion } from '../gateway/chat-client.js';
import { ensureGateway } from '../gateway/ensure.js';
import { gatewayKey } from '../gateway/key.js';
import { listRoutes } from '../ledger/promotions.js';
import { openConversation, type Conversation } from '../output/conversation.js';
import { outcome, type Outcome } from '../output/output.js';
import type { CommandModule } from '../program.js';

export const define: CommandModule['define'] = (command) => {
  command
    .argument('[model]', 'NAME or NAME@ALIAS; none: the only model that is served')
    .option('--system <text>', 'what the model is told first')
    .option('-m, --message <text>', 'ask this once and end')
    .option('--max-tokens <count>', 'longest answer');
  command.addHelpText(
    'after',
    `
Ctrl-C ends an answer; pressed again, or at the prompt, it ends the chat. Lines may also come from a pipe.

Examples:
  mlx chat
  mlx chat tickets --system "Answer as JSON." -m "My invoice is wrong"
  mlx chat tickets@staging -m "Hello" --json | jq .answer`,
  );
};

export const run: CommandModule['run'] = async (context, [name], flags) => {
  const { system, message, maxTokens } = flags as { system?: string; message?: string; maxTokens?: string };
  if (name !== undefined && /\s/.test(name)) {
    throw new MlxError('USAGE', `'${name.slice(0, 60)}' is no name of a model.`, {
      hint: 'A message comes after -m: mlx chat -m "..."',
    });
  }
  const model = name ?? (await onlyRoute(context));
  const { port } = (await context.config()).gateway;
  const paths = context.paths();
  if (context.output.json && message === undefined) {
    throw new MlxError('USAGE', 'With --json, chat answers one message.', { hint: 'Give it: --message TEXT' });
  }
  const longest =
    maxTokens === undefined
      ? undefined
      : readWholeNumber(maxTokens, '--max-tokens', { from: 1, hint: 'For example: --max-tokens 64' });
  if (context.flags.dryRun) return outcome({ dryRun: true, model }, () => `Would talk to ${model}.`);
  const { environment, output } = context;
  const { state } = await ensureGateway({ paths, port, move: false, environment, note: output.note });
  const question: ChatQuestion = {
    origin: `http://127.0.0.1:${state.port}`,
    key: gatewayKey(paths.secrets),
    model,
    messages: system === undefined ? [] : [{ role: 'system', content: system }],
    maxTokens: longest,
  };
  return message === undefined ? converse(context, question) : askOnce(context, question, message);
};

async function askOnce(context: Context, question: ChatQuestion, message: string): Promise<Outcome> {
  const { output, signal } = context;
  const messages: ChatMessage[] = [...question.messages, { role: 'user', content: message }];
  const answer = await askModel({ ...question, messages }, (text) => output.json || output.stream(text), signal);
  if (!output.json) output.stream('\n');
  const { text, ...figures } = answer;
  const status = answer.interrupted ? exitStatus.interrupted : exitStatus.ok;
  return outcome({ model: question.model, answer: text, ...figures }, () => '', status);
}

async function converse(context: Context, question: ChatQuestion): Promise<Outcome> {
  const { output } = context;
  const conversation = openConversation();
  const messages = [...question.messages];
  let answers = 0;
  try {
    for (;;) {
      const line = await conversation.nextLine(`${pc.cyan(question.model)} > `);
      if (line === undefined) break;
      if (line.trim() === '') continue;
      messages.push({ role: 'user', content: line });
      const answer = await answerLine(context, conversation, { ...question, messages });
      output.stream('\n');
      output.note(pc.dim(footer(answer)));
      messages.push({ role: 'assistant', content: answer.text });
      answers += 1;
      conversation.onInterrupt(() => conversation.close());
    }
  } finally {
    conversation.close();
  }
  return outcome({ model: question.model, answers }, () => '');
}

/** The first Ctrl-C ends this answer and keeps what was said so far. */
async function answerLine(context: Context, conversation: Conversation, question: ChatQuestion): Promise<ChatAnswer> {
  const stop = new AbortController();
  conversation.onInterrupt(() => {
    if (stop.signal.aborted) conversation.close();
    stop.abort();
  });
  const signal = AbortSignal.any([context.signal, stop.signal]);
  return askModel(question, (text) => context.output.stream(text), signal);
}

function footer({ version, durationMs, firstTextMs, interrupted }: ChatAnswer): string {
  const took = `first words after ${firstTextMs} ms, whole answer ${durationMs} ms`;
  return `${version} · ${took}${interrupted ? ' · ended by you' : ''}`;
}

async function onlyRoute(context: Context): Promise<string> {
  const routes = listRoutes(await context.ledger());
  const live = routes.filter(({ name, model }) => name === model);
  const [first] = live.length > 0 ? live : routes;
  if (first && (live.length === 1 || routes.length === 1)) return first.name;
  if (!first) {
    throw new MlxError('NOT_FOUND', 'No model is served yet.', { hint: 'Start one: mlx serve MODEL' });
  }
  throw new MlxError('AMBIGUOUS', `Several models are served: ${routes.map(({ name }) => name).join(', ')}.`, {
    hint: `Name one: mlx chat ${first.name}`,
  });
}
