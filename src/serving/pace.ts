// Whether a version answers about as fast as the one that is live: the same few questions, asked of both. It finds what is far slower (a
// model that fell back to the CPU, memory that swaps); what is a little slower shows under real requests alone: mlx promote --watch.
import { MlxError } from '../errors.js';
import type { ReadinessPrompt } from './prompt.js';
import type { ServerClient } from './server-client.js';

export type Pace = {
  /** Of the middle answer. */
  answerMs: number;
  /** Of the middle answer, for each of its tokens; null: the server does not count them. */
  tokenMs: number | null;
};

/** What the candidate is held against. `version`: `tickets:1`. */
export type LivePace = Pace & { version: string };

const askedTimes = 3;
const askedTokens = 16;
/** One answer is enough to tell of a server that takes so long. */
const longestMs = 10_000;
/** Of an answer: however fast the other one was, nobody calls it slow, and a busy machine makes such differences. */
const neverSlowMs = 500;
const measuredTimes = 3;
const betweenMs = 3_000;

/** @returns null where nothing was answered */
export async function measurePace(
  client: Pick<ServerClient, 'complete'>,
  model: string,
  prompts: readonly [ReadinessPrompt, ...ReadinessPrompt[]],
  clock: () => number,
): Promise<Pace | null> {
  const begunMs = clock();
  const answers: { answerMs: number; tokens: number | null }[] = [];
  for (let asked = 0; asked < askedTimes; asked += 1) {
    const askedAtMs = clock();
    if (askedAtMs - begunMs > longestMs) break;
    const prompt = prompts[asked % prompts.length] ?? prompts[0];
    const answer = await client.complete(model, prompt, askedTokens);
    if (answer.ok) answers.push({ answerMs: clock() - askedAtMs, tokens: answer.tokens });
  }
  if (answers.length === 0) return null;
  const perToken = answers.flatMap(({ answerMs, tokens }) => (tokens ? [answerMs / tokens] : []));
  return {
    answerMs: middle(answers.map(({ answerMs }) => answerMs)),
    tokenMs: perToken.length === answers.length ? middle(perToken) : null,
  };
}

type PaceEdges = {
  pause: (durationMs: number, signal: AbortSignal) => Promise<void>;
  signal: AbortSignal;
};

/**
 * The live version was asked a while ago: something else may be busy just now. So one that seems too slow is measured again before it is refused.
 * @throws MlxError TOO_SLOW
 */
export async function requirePace(
  { pause, signal }: PaceEdges,
  measure: () => Promise<Pace | null>,
  { version, live, maxSlowdown }: { version: string; live: LivePace; maxSlowdown: number },
): Promise<void> {
  if (maxSlowdown === 0) return;
  let problem = problemOf(await measure(), live, maxSlowdown);
  for (let again = 1; problem && again < measuredTimes; again += 1) {
    await pause(betweenMs, signal);
    problem = problemOf(await measure(), live, maxSlowdown);
  }
  if (!problem) return;
  throw new MlxError('TOO_SLOW', `${version} is far slower than ${live.version}, which is live: ${problem}.`, {
    hint: 'Is something else busy, or the GPU not used? mlx doctor. Where it may be slower: serving.max_slowdown in mlx.yaml (0: not checked)',
  });
}

function problemOf(pace: Pace | null, live: Pace, maxSlowdown: number): string | undefined {
  if (pace) return paceProblem(pace, live, maxSlowdown);
  return `it answered none of ${askedTimes} questions, the other's answers take ${shown(live)}`;
}

/** Slower by the answer and by the token: a longer answer takes longer, and the first token of a short one costs the most. Pure. */
export function paceProblem(pace: Pace, live: Pace, maxSlowdown: number): string | undefined {
  if (maxSlowdown === 0 || pace.answerMs <= neverSlowMs) return undefined;
  const byAnswer = pace.answerMs / Math.max(1, live.answerMs);
  const byToken =
    pace.tokenMs === null || live.tokenMs === null ? byAnswer : pace.tokenMs / Math.max(0.1, live.tokenMs);
  const slowdown = Math.min(byAnswer, byToken);
  if (slowdown <= maxSlowdown) return undefined;
  return `its answers take ${shown(pace)}, the other's ${shown(live)} (${slowdown.toFixed(1)} times as long; at most ${maxSlowdown})`;
}

function shown({ answerMs, tokenMs }: Pace): string {
  return `${Math.round(answerMs)} ms${tokenMs === null ? '' : `, ${tokenMs.toFixed(1)} ms a token`}`;
}

function middle(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)] ?? 0;
}
