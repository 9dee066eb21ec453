// What a token of an upstream's model costs at this moment: mlx.yaml first, then the public price lists. From memory.
import type { Metering } from '../config/metering.js';
import type { Catalogue } from '../cost/catalogue.js';
import type { Price } from '../cost/price.js';
import { toSnakeCase } from '../output/json.js';

/** `text` is the price as the traffic log keeps it. */
export type Quote = { price: Price; text: string };

export type Pricing = {
  quote: (upstream: string, model: string) => Quote | undefined;
  hardwareUsdPerHour: number | undefined;
};

export type PricingSettings = Pick<Metering, 'prices' | 'hardwareUsdPerHour'> & {
  /** undefined while no upstream leaves this machine. */
  catalogue: () => Catalogue | undefined;
  urlOf: (upstream: string) => string | undefined;
  now: () => Date;
};

/** Some providers have prices by the hour. */
const quoteLivesMs = 60_000;

export function openPricing(settings: PricingSettings): Pricing {
  const { now, hardwareUsdPerHour } = settings;
  const quotes = new Map<string, { quote: Quote | undefined; atMs: number }>();
  return {
    hardwareUsdPerHour,
    quote: (upstream, model) => {
      const name = `${upstream}/${model}`;
      const nowMs = now().getTime();
      const known = quotes.get(name);
      if (known && nowMs - known.atMs < quoteLivesMs) return known.quote;
      const price = ownPrice(settings, name) ?? publicPrice(settings, upstream, model);
      const quote = price && { price, text: JSON.stringify(toSnakeCase(price)) };
      quotes.set(name, { quote, atMs: nowMs });
      return quote;
    },
  };
}

function ownPrice({ prices }: PricingSettings, name: string): Price | undefined {
  const own = prices.get(name);
  return own && { source: 'mlx.yaml', model: name, ...own };
}

function publicPrice({ catalogue, urlOf, now }: PricingSettings, upstream: string, model: string): Price | undefined {
  const url = urlOf(upstream);
  return url === undefined ? undefined : catalogue()?.priceOf(url, model, now());
}
