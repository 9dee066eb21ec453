import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { expect, test } from 'vitest';

import { compareWeights, joinDistances } from '../../../src/replay/tensors.js';
import { scratchFolder } from '../engine/scratch.js';
import { weightsFile, type Values } from './weights.js';

function distance(locked: Record<string, Values>, replayed: Record<string, Values>) {
  const folder = scratchFolder();
  const [one, other] = [join(folder, 'one.safetensors'), join(folder, 'other.safetensors')];
  writeFileSync(one, weightsFile(locked));
  writeFileSync(other, weightsFile(replayed));
  return compareWeights(one, other);
}

const floats = (...values: number[]): Values => ({ dtype: 'F32', values });

test('equal tensors are at distance 0, zeros too', async () => {
  const weights = { a: floats(1, -2, 3), zeros: floats(0, 0) };
  expect(await distance(weights, weights)).toEqual({
    tensors: 2,
    unlike: [],
    largest: { tensor: '', difference: 0 },
    least: { tensor: '', cosine: 1 },
  });
});

test('the tensor that is farthest away, and the one that points another way, are named', async () => {
  const found = await distance({ a: floats(1, 0), b: floats(0.5, 0.5) }, { a: floats(1.25, 0), b: floats(0.5, -0.5) });
  expect(found.largest).toEqual({ tensor: 'b', difference: 1 });
  expect(found.least).toEqual({ tensor: 'b', cosine: 0 });
});

test('bfloat16 and float16 are read as the numbers that they stand for', async () => {
  // 0x3f80 is 1.0 and 0x4000 is 2.0 as bfloat16; 0x3c00 is 1.0, 0x3e00 is 1.5 and 0x8001 is -2^-24 as float16.
  const brain = await distance({ a: { dtype: 'BF16', values: [0x3f80] } }, { a: { dtype: 'BF16', values: [0x4000] } });
  expect(brain.largest.difference).toBe(1);
  const half = await distance({ a: { dtype: 'F16', values: [0x3c00] } }, { a: { dtype: 'F16', values: [0x3e00] } });
  expect(half.largest.difference).toBe(0.5);
  const tiny = await distance({ a: { dtype: 'F16', values: [0x8001] } }, { a: { dtype: 'F16', values: [0] } });
  expect(tiny.largest.difference).toBe(2 ** -24);
});

test('a tensor on one side alone, or of another shape or type, is unlike', async () => {
  const found = await distance(
    { a: floats(1), gone: floats(1), typed: floats(1) },
    { a: floats(1, 2), come: floats(1), typed: { dtype: 'F64', values: [1] } },
  );
  expect(found.unlike.sort()).toEqual(['a', 'come', 'gone', 'typed']);
});

test('a number on one side and none on the other are as far apart as can be', async () => {
  const found = await distance({ a: floats(1, 2) }, { a: floats(1, NaN) });
  expect(found.largest).toEqual({ tensor: 'a', difference: Infinity });
  expect(found.least.cosine).toBe(-1);
});

test('of several files the worst counts', async () => {
  const near = await distance({ a: floats(1) }, { a: floats(1.5) });
  const far = await distance({ b: floats(1) }, { b: floats(-1) });
  expect(joinDistances([near, far])).toMatchObject({
    tensors: 2,
    largest: { tensor: 'b', difference: 2 },
    least: { tensor: 'b', cosine: -1 },
  });
});
