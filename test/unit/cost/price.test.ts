import { calcPrice } from '@pydantic/genai-prices';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { hardwareCostUsd, openBusyClock } from '../../../src/cost/busy-clock.js';
import { openCatalogue } from '../../../src/cost/catalogue.js';
import { tokensCostUsd } from '../../../src/cost/price.js';
import installed from '../../../node_modules/@pydantic/genai-prices/package.json' with { type: 'json' };

const at = new Date('2026-11-20T12:00:00Z');
const openai = 'https://api.openai.com/v1';
const anthropic = 'https://api.anthropic.com';

describe('the price of a model', () => {
  it('costs what the price list itself says, for any tokens, with tiers, cache reads and cache writes', async () => {
    const catalogue = await openCatalogue();
    const models = [
      [openai, 'openai', 'gpt-5.4'],
      [openai, 'openai', 'gpt-4.1-mini'],
      [openai, 'openai', 'text-embedding-3-small'],
      [anthropic, 'anthropic', 'claude-sonnet-4-5-20250929'],
      [anthropic, 'anthropic', 'claude-haiku-4-5'],
    ] as const;
    const part = fc.nat(200_000);
    fc.assert(
      fc.property(
        fc.constantFrom(...models),
        part,
        part,
        part,
        part,
        ([url, providerId, model], fresh, cached, written, output) => {
          const usage = {
            input_tokens: fresh + cached + written,
            cache_read_tokens: cached,
            cache_write_tokens: written,
          };
          const theirs = calcPrice({ ...usage, output_tokens: output }, model, { providerId, timestamp: at });
          const price = catalogue.priceOf(url, model, at);
          const ours = price && {
            usd: tokensCostUsd(price, {
              inputTokens: usage.input_tokens,
              outputTokens: output,
              cachedInputTokens: cached,
              cacheWriteTokens: written,
            }),
          };
          expect(ours?.usd).toBeCloseTo(theirs?.total_price ?? NaN, 9);
        },
      ),
    );
  });

  it('names the version of the list that it is from', async () => {
    const price = (await openCatalogue()).priceOf(openai, 'gpt-5.4', at);
    expect(price).toMatchObject({ source: `genai-prices ${installed.version}`, model: 'openai/gpt-5.4' });
  });

  it('is the one that was valid on the day', async () => {
    const catalogue = await openCatalogue();
    const [before, after] = ['2024-05-01', '2026-01-01'].map((day) => catalogue.priceOf(openai, 'o3', new Date(day)));
    expect(before?.input).not.toEqual(after?.input);
  });

  it.each([
    [openai, 'no-such-model'],
    ['https://gpu.example.com/v1', 'gpt-5.4'],
  ])('is not guessed for an address or a model that the list does not know (%s %s)', async (url, model) => {
    expect((await openCatalogue()).priceOf(url, model, at)).toBeUndefined();
  });
});

describe('the price of an own machine', () => {
  it('is shared by the requests of one server, so that they never pay more than the machine costs', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ from: fc.nat(1000), lasts: fc.nat(1000) }), { minLength: 1, maxLength: 20 }),
        (requests) => {
          const clock = openBusyClock();
          const events = requests.flatMap(({ from, lasts }, index) => [
            { atMs: from, index, begins: true },
            { atMs: from + lasts, index, begins: false },
          ]);
          events.sort((one, other) => one.atMs - other.atMs || Number(other.begins) - Number(one.begins));
          const ends = new Map<number, (nowMs: number) => number>();
          let paidMs = 0;
          for (const { atMs, index, begins } of events) {
            if (begins) ends.set(index, clock.begin('s', atMs));
            else paidMs += ends.get(index)?.(atMs) ?? NaN;
          }
          let busyMs = 0;
          for (let ms = 0; ms < 2000; ms += 1)
            if (requests.some(({ from, lasts }) => from <= ms && ms < from + lasts)) busyMs += 1;
          expect(paidMs).toBeCloseTo(busyMs, 6);
        },
      ),
    );
  });

  it('is by the hour', () => {
    expect(hardwareCostUsd(2, 1_800_000)).toBe(1);
  });
});
