// What the trainer says on stdout (docs/trainer-contract.md), parsed line by line.
import { z } from 'zod';

const subject = z.enum(['base', 'tuned']);
/** Null once a training diverged: JSON has no word for NaN and infinity. */
const measured = z.number().nullable();

const eventSchema = z.discriminatedUnion('event', [
  z.object({
    event: z.literal('started'),
    device: z.string(),
    device_name: z.string(),
    threads: z.number(),
    versions: z.record(z.string(), z.string()),
  }),
  z.object({
    event: z.literal('data'),
    train_rows: z.number(),
    held_out_rows: z.number(),
    train_tokens: z.number(),
    longest_row_tokens: z.number(),
    truncated_rows: z.number(),
  }),
  z.object({ event: z.literal('model'), parameters: z.number(), trainable_parameters: z.number(), dtype: z.string() }),
  z.object({ event: z.literal('phase'), phase: z.enum(['load', 'score_base', 'train', 'score_tuned', 'save']) }),
  z.object({ event: z.literal('score_progress'), subject, done: z.number(), rows: z.number() }),
  z.object({
    event: z.literal('score'),
    subject,
    loss: measured,
    perplexity: measured,
    exact_match: z.number(),
    rows: z.number(),
    tokens: z.number(),
    duration_ms: z.number(),
  }),
  z.object({
    event: z.literal('example'),
    row: z.number(),
    prompt: z.string(),
    expected: z.string(),
    base: z.string(),
    tuned: z.string(),
  }),
  z.object({
    event: z.literal('step'),
    step: z.number(),
    total_steps: z.number(),
    epoch: z.number(),
    loss: measured,
    learning_rate: z.number(),
    grad_norm: measured,
    tokens_per_second: z.number(),
    memory_gib: z.number(),
    eta_ms: z.number(),
  }),
  z.object({ event: z.literal('checkpoint'), step: z.number() }),
  z.object({
    event: z.literal('result'),
    steps: z.number(),
    train_loss: measured,
    tokens: z.number(),
    train_duration_ms: z.number(),
    duration_ms: z.number(),
    peak_memory_gib: z.number(),
    output: z.enum(['adapter', 'model']),
  }),
  z.object({ event: z.literal('stopped'), step: z.number() }),
  z.object({ event: z.literal('error'), code: z.string(), message: z.string() }),
]);

/** Field names stay as they are on the wire: they are the names that the ledger and MLflow store too. */
export type TrainerEvent = z.infer<typeof eventSchema>;

/** @returns undefined for a line that is not an event that we know: it belongs in the run's log */
export function parseTrainerEvent(line: string): TrainerEvent | undefined {
  if (!line.startsWith('{')) return undefined;
  try {
    return eventSchema.safeParse(JSON.parse(line)).data;
  } catch {
    return undefined;
  }
}
