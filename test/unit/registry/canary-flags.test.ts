import { describe, expect, test } from 'vitest';

import { readCanary } from '../../../src/registry/canary-flags.js';

describe('the flags of a canary', () => {
  test('name the shares, which never reach 100 %', () => {
    expect(readCanary({ canary: '5%', step: '25%' })).toMatchObject({ shares: [5, 30, 55, 80], everyMs: 600_000 });
    expect(readCanary({ canary: '10', step: '30%', every: '1h' })).toMatchObject({ shares: [10, 40, 70] });
    expect(readCanary({ canary: '50%' })).toMatchObject({ kind: 'canary', sticky: 'key', shares: [50] });
    expect(readCanary({ shadow: '20%' })).toMatchObject({ kind: 'shadow', shares: [20] });
    expect(readCanary({})).toBeUndefined();
  });

  test.each([
    { canary: '100%' },
    { canary: '0%' },
    { canary: 'some' },
    { canary: '5%', step: '0%' },
    { canary: '5%', every: '0' },
    { canary: '5%', shadow: true },
    { canary: '5%', watch: '10m' },
    { canary: '5%', alias: 'staging' },
    { canary: '5%', strategy: 'hold' },
    { step: '5%' },
    { sticky: 'key' as const },
    { every: '10s' },
    { every: '10s', watch: '10m' },
    { shadow: true, step: '5%' },
    { shadow: true, sticky: 'request' as const },
  ])('that make no sense are refused: %j', (flags) => {
    expect(() => readCanary(flags)).toThrowError(expect.objectContaining({ code: 'USAGE' }));
  });
});
