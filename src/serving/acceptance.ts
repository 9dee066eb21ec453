// Whether a server that is healthy may have real requests: its golden prompts are answered right and in time, and its adapter
// really changes what the base model says.
import { MlxError } from '../errors.js';
import { judgeGolden, type GoldenPrompt } from './golden.js';
import type { ReadinessPrompt } from './prompt.js';
import { baseName, type FirstToken, type ServerClient } from './server-client.js';

export type Acceptance = {
  model: string;
  version: string;
  golden: readonly GoldenPrompt[];
  /** Questions by which model and base are told apart. */
  prompts: readonly ReadinessPrompt[];
  clock: () => number;
};

/** Two runs of one model may differ in the last digits of bfloat16 arithmetic; an adapter moves more. */
const sameLogprob = 1e-3;
const shownFailures = 5;

/** @throws MlxError GOLDEN_FAILED, ADAPTER_NOT_APPLIED */
export async function requireAcceptance(client: ServerClient, acceptance: Acceptance): Promise<void> {
  await requireGolden(client, acceptance);
  await requireAdapter(client, acceptance);
}

async function requireGolden(client: ServerClient, { model, version, golden, clock }: Acceptance): Promise<void> {
  const failures: string[] = [];
  for (const row of golden) {
    const begunMs = clock();
    const { messages } = row;
    const answer = await client.complete(model, { messages, heldOut: true });
    const wrong = answer.ok ? judgeGolden(row, answer.text, clock() - begunMs) : `line ${row.line}: ${answer.seen}`;
    if (wrong !== undefined) failures.push(wrong);
  }
  if (failures.length === 0) return;
  const shown = failures.slice(0, shownFailures).map((line) => `  ${line}`);
  throw new MlxError(
    'GOLDEN_FAILED',
    `${version} got ${failures.length} of ${golden.length} golden prompts wrong:\n${shown.join('\n')}`,
    { hint: 'They stand in evals/golden.jsonl. Ask the version itself: mlx serve it, then mlx chat' },
  );
}

/** Only a server that serves the base beside it can be asked; serve.py checks its adapter while it loads. */
async function requireAdapter(client: ServerClient, { model, version, prompts }: Acceptance): Promise<void> {
  if (!(await client.names(baseName)).ok) return;
  for (const prompt of prompts) {
    const [tuned, base] = [await client.firstToken(model, prompt), await client.firstToken(baseName, prompt)];
    if (tuned && base && differ(tuned, base)) return;
  }
  throw new MlxError(
    'ADAPTER_NOT_APPLIED',
    `${version} answers ${prompts.length} held-out rows exactly like its base model: its adapter is not applied, or changes nothing.`,
    { hint: 'Compare the scores of its run with those of the base: mlx runs show RUN' },
  );
}

/** By the likeliest first tokens: they differ long before the chosen words do. Pure. */
export function differ(tuned: FirstToken, base: FirstToken): boolean {
  return tuned.some(({ token, logprob }) => {
    const other = base.find((candidate) => candidate.token === token);
    return other === undefined || Math.abs(other.logprob - logprob) > sameLogprob;
  });
}
