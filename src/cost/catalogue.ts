// Public prices of providers, as of a date: genai-prices finds the model and the price that was valid then.
// Loaded on first use: 830 kB that a gateway with local models alone never needs.
import type { ModelPrice, TieredPrices } from '@pydantic/genai-prices';

import type { Price, Rate } from './price.js';

export type Catalogue = {
  /** @returns undefined when no price is known for that address and model */
  priceOf: (providerUrl: string, model: string, at: Date) => Price | undefined;
};

/** The data of this very version: tools that keep prices of the day would need the network. */
const source = 'genai-prices 0.1.8';
const oneToken = { input_tokens: 1, output_tokens: 1 };

export async function openCatalogue(): Promise<Catalogue> {
  const { calcPrice, findProvider } = await import('@pydantic/genai-prices');
  return {
    priceOf: (providerUrl, model, at) => {
      const provider = findProvider({ providerApiUrl: providerUrl });
      const found = provider ? calcPrice(oneToken, model, { providerId: provider.id, timestamp: at }) : null;
      return found ? priceFrom(found.model_price, `${found.provider.id}/${found.model.id}`) : undefined;
    },
  };
}

function priceFrom(prices: ModelPrice, model: string): Price | undefined {
  const input = rate(prices['input_mtok']);
  if (input === undefined) return undefined;
  return {
    source,
    model,
    input,
    // Embeddings have no output.
    output: rate(prices['output_mtok']) ?? 0,
    cachedInput: rate(prices['cache_read_mtok']) ?? input,
    cacheWrite: rate(prices['cache_write_mtok']) ?? input,
  };
}

function rate(value: number | TieredPrices | undefined): Rate | undefined {
  if (value === undefined || typeof value === 'number') return value;
  return { base: value.base, tiers: value.tiers.map(({ start, price }) => ({ start, price })) };
}
