// Which metrics are better when they are lower, and the short names that people type for the usual ones. Pure.

const lowerIsBetter = /(^|\/)(loss|mean_loss|perplexity|duration_ms|peak_memory_gib|memory_gib|wrapper_ms)$/;

/** Settings of the optimiser that are logged as metrics: neither direction is better. */
const neutral = /(^|\/)(learning_rate|grad_norm)$/;

export function metricIsBetterLow(key: string): boolean {
  return lowerIsBetter.test(key);
}

/** @returns 1 when `value` is better than `reference`, -1 when it is worse, 0 when neither */
export function compareMetric(key: string, value: number, reference: number): -1 | 0 | 1 {
  if (value === reference || neutral.test(key)) return 0;
  return value < reference === metricIsBetterLow(key) ? 1 : -1;
}

/** `exact_match` is short for the tuned model's on held-out rows. */
export function metricKey(name: string): string {
  return ['loss', 'perplexity', 'exact_match'].includes(name) ? `held_out/tuned/${name}` : name;
}
