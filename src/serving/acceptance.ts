// Whether a server that is healthy may have real requests: its golden prompts are answered right and in time.
import { MlxError, type Problem } from '../errors.js';
import { judgeGolden, type GoldenPrompt } from './golden.js';
import type { ServerClient } from './server-client.js';

export type Acceptance = {
  model: string;
  version: string;
  golden: readonly GoldenPrompt[];
  clock: () => number;
};

const shownFailures = 5;

/** @throws MlxError GOLDEN_FAILED */
export async function requireAcceptance(
  client: ServerClient,
  { model, version, golden, clock }: Acceptance,
): Promise<void> {
  const failures: Problem[] = [];
  for (const row of golden) {
    const begunMs = clock();
    const { messages, line } = row;
    const answer = await client.complete(model, { messages, heldOut: true });
    const wrong = answer.ok ? judgeGolden(row, answer.text, clock() - begunMs) : answer.seen;
    if (wrong === undefined) continue;
    const expected = row.equals ?? row.contains;
    const said = { ...(expected !== undefined && { expected }), ...(answer.ok && { actual: answer.text }) };
    failures.push({ file: 'evals/golden.jsonl', line, message: wrong, ...said });
  }
  if (failures.length === 0) return;
  const shown = failures.slice(0, shownFailures).map(({ line, message }) => `  line ${line ?? 0}: ${message}`);
  throw new MlxError(
    'GOLDEN_FAILED',
    `${version} got ${failures.length} of ${golden.length} golden prompts wrong:\n${shown.join('\n')}`,
    {
      hint: 'They stand in evals/golden.jsonl. Ask the version itself: mlx serve it, then mlx chat',
      problems: failures,
    },
  );
}
