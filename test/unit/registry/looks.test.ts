import { expect, test } from 'vitest';

import { lookEveryMs, lookRegularly, restBetweenMs } from '../../../src/registry/looks.js';
import { heldClock } from '../gateway/core-bench.js';

const settled = () => new Promise((resolve) => setImmediate(resolve));

test('a look that fails is told, and neither the regular looks nor those that are asked for end with it', async () => {
  const clock = heldClock();
  const lines: string[] = [];
  let looks = 0;
  const work = async (): Promise<void> => {
    looks += 1;
    if (looks < 3) throw new Error(`fault ${looks}`);
  };
  const { look, soon, end } = lookRegularly(work, (line) => void lines.push(line), clock);
  await look();
  expect(lines).toEqual([expect.stringContaining('fault 1')]);
  clock.advance(lookEveryMs);
  await settled();
  expect(lines).toHaveLength(2);
  soon();
  clock.advance(restBetweenMs);
  await settled();
  expect([looks, lines.length]).toEqual([3, 2]);
  end();
  expect(clock.timers()).toBe(0);
});
