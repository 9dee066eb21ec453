import { describe, expect, it } from 'vitest';

import {
  formatAgo,
  formatAhead,
  formatBytes,
  formatDuration,
  formatNumber,
  formatShare,
  resample,
  sparkline,
} from '../../../src/output/numbers.js';

describe('figures for people', () => {
  it.each([
    [420, '0.4 s'],
    [9_960, '10.0 s'],
    [59_600, '1 min 0 s'],
    [90_000, '1 min 30 s'],
    [7_260_000, '2 h 1 min'],
  ])('%i ms is %s', (durationMs, text) => expect(formatDuration(durationMs)).toBe(text));

  it.each([
    [0, '0 %'],
    [0.005, '0.5 %'],
    [0.7925, '79.3 %'],
    [0.9999, '99.9 %'],
    [1, '100 %'],
  ])('a share of %d is %s', (share, text) => expect(formatShare(share)).toBe(text));

  it.each([
    [1800, '1,800'],
    [0.41234, '0.4123'],
    [0.00002, '2.00e-5'],
    [32.1699, '32.17'],
  ])('%d is %s', (value, text) => expect(formatNumber(value)).toBe(text));

  it.each([
    [0, '0 B'],
    [2048, '2.0 KiB'],
    [1_610_612_736, '1.5 GiB'],
  ])('%i bytes are %s', (bytes, text) => expect(formatBytes(bytes)).toBe(text));

  it.each([
    [30_000, 'just now'],
    [5 * 60_000, '5 min ago'],
    [47 * 3_600_000, '47 h ago'],
    [72 * 3_600_000, '3 days ago'],
  ])('%i ms before now was %s', (agoMs, text) => expect(formatAgo(1e12 - agoMs, 1e12)).toBe(text));

  it.each([
    [30_000, '1 min'],
    [24 * 3_600_000 - 5_000, '24 h'],
    [90 * 60_000, '1 h 30 min'],
    [47 * 3_600_000, '47 h'],
    [48 * 3_600_000, '2 days'],
    [60 * 3_600_000, '2 days 12 h'],
    [60 * 3_600_000 + 30 * 60_000, '2 days 12 h'],
    [7 * 24 * 3_600_000, '7 days'],
    [7 * 24 * 3_600_000 - 5_000, '7 days'],
  ])('%i ms from now are %s', (aheadMs, text) => expect(formatAhead(1e12 + aheadMs, 1e12)).toBe(text));
});

describe('a series', () => {
  it('becomes a line of bars, the newest values only', () => {
    expect(sparkline([9, 3, 2, 1], 3)).toBe('█▅▁');
    expect(sparkline([2, 2], 5)).toBe('▁▁');
    expect(sparkline([], 5)).toBe('');
  });

  it('is averaged to a width, and left alone when it is shorter', () => {
    expect(resample([1, 3, 5, 7], 2)).toEqual([2, 6]);
    expect(resample([1, 2], 10)).toEqual([1, 2]);
  });
});
