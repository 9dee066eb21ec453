// Which figures of an event become metrics of the ledger, and under which key. Pure.
import type { Metric } from '../ledger/metrics.js';
import type { TrainerEvent } from './events.js';

/** @param lastStep the newest training step so far: where scores stand on the time axis */
export function eventMetrics(event: TrainerEvent, lastStep: number, recordedAtMs: number): Metric[] {
  const at = (step: number, values: Record<string, number | null>): Metric[] =>
    Object.entries(values).flatMap(([key, value]) => (value === null ? [] : [{ key, step, value, recordedAtMs }]));

  if (event.event === 'step') {
    return at(event.step, {
      'train/loss': event.loss,
      'train/learning_rate': event.learning_rate,
      'train/grad_norm': event.grad_norm,
      'train/tokens_per_second': event.tokens_per_second,
      'train/memory_gib': event.memory_gib,
    });
  }
  if (event.event === 'score') {
    return at(event.subject === 'base' ? 0 : lastStep, {
      [`held_out/${event.subject}/loss`]: event.loss,
      [`held_out/${event.subject}/perplexity`]: event.perplexity,
      [`held_out/${event.subject}/exact_match`]: event.exact_match,
    });
  }
  if (event.event === 'result') {
    return at(event.steps, {
      'train/mean_loss': event.train_loss,
      'train/duration_ms': event.train_duration_ms,
      peak_memory_gib: event.peak_memory_gib,
    });
  }
  return [];
}
