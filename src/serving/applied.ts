// Whether an adapter is really applied: a vLLM that serves one answers for its base too, and the answers must differ. Answers of
// greedy decoding are compared: no field beyond what every client sends is needed for it.
import { MlxError } from '../errors.js';
import type { ReadinessPrompt } from './prompt.js';
import type { ServerClient } from './server-client.js';

/** The name that both engines give to the base beside an adapter. */
const baseName = 'base';
/** Enough for a difference to show, few enough for a switch. */
const comparedTokens = 32;

/**
 * A server without that name serves a whole model, or has checked the adapter by its weights (serve.py). A prompt counts only where
 * the base says the same twice: then what differs is the adapter's doing, and not the noise of a busy server.
 * @throws MlxError ADAPTER_INCONCLUSIVE
 */
export async function requireApplied(
  client: ServerClient,
  { model, version }: { model: string; version: string },
  prompts: readonly ReadinessPrompt[],
): Promise<void> {
  if (!(await client.names(baseName)).ok) return;
  let compared = 0;
  for (const prompt of prompts) {
    const difference = await compare(client, model, prompt);
    if (difference === 'differs') return;
    if (difference === 'same') compared += 1;
  }
  throw new MlxError(
    'ADAPTER_INCONCLUSIVE',
    `${version} answers ${compared} of ${prompts.length} prompts exactly as its base model does, and none otherwise: its adapter may not be applied.`,
    {
      hint: 'Add prompts to evals/golden.jsonl that it answers otherwise. If there are none, the training changed nothing: see mlx runs show',
    },
  );
}

async function compare(
  client: ServerClient,
  model: string,
  prompt: ReadinessPrompt,
): Promise<'differs' | 'same' | 'unknown'> {
  const ask = (name: string) => client.complete(name, prompt, comparedTokens);
  const [base, tuned] = [await ask(baseName), await ask(model)];
  if (!base.ok || !tuned.ok) return 'unknown';
  if (base.text === tuned.text) return 'same';
  const again = await ask(baseName);
  return again.ok && again.text === base.text ? 'differs' : 'unknown';
}
