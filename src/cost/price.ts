// What tokens cost. Pure. Prices are USD per million tokens, and stand in the traffic log beside what was paid.

/** Cached tokens and cache writes are parts of the input, as in OpenTelemetry's conventions. */
export type BilledTokens = {
  inputTokens: number;
  outputTokens: number;
  cachedInputTokens: number;
  cacheWriteTokens: number;
};

/** Some models cost more for the whole request once its input is longer than `start` tokens. */
export type Rate = number | { base: number; tiers: readonly { start: number; price: number }[] };

export type Price = {
  /** Where it is from: `genai-prices 0.1.8`, `mlx.yaml`. */
  source: string;
  model: string;
  input: Rate;
  output: Rate;
  cachedInput: Rate;
  cacheWrite: Rate;
};

export function tokensCostUsd(price: Price, tokens: BilledTokens): number {
  const { inputTokens, outputTokens, cachedInputTokens, cacheWriteTokens } = tokens;
  const rate = (of: Rate): number => rateFor(of, inputTokens);
  const fresh = Math.max(0, inputTokens - cachedInputTokens - cacheWriteTokens);
  const micro =
    fresh * rate(price.input) +
    cachedInputTokens * rate(price.cachedInput) +
    cacheWriteTokens * rate(price.cacheWrite) +
    outputTokens * rate(price.output);
  return micro / 1_000_000;
}

function rateFor(rate: Rate, inputTokens: number): number {
  if (typeof rate === 'number') return rate;
  return rate.tiers.reduce((found, { start, price }) => (inputTokens > start ? price : found), rate.base);
}
