// How far two sets of weights are apart, tensor by tensor: largest absolute difference and cosine. Reads safetensors files
// (https://github.com/huggingface/safetensors#format: 8 bytes length, JSON header, tensors), one tensor at a time.
import { open, type FileHandle } from 'node:fs/promises';

import { z } from 'zod';

export type TensorDistance = {
  /** Compared; those that only one side has, or has in another shape, are in `unlike`. */
  tensors: number;
  unlike: string[];
  largest: { tensor: string; difference: number };
  least: { tensor: string; cosine: number };
};

/** `__metadata__` is free text, and no tensor. */
const headerSchema = z
  .record(z.string(), z.unknown())
  .transform((header) => Object.fromEntries(Object.entries(header).filter(([name]) => name !== '__metadata__')))
  .pipe(
    z.record(
      z.string(),
      z.object({ dtype: z.string(), shape: z.array(z.int()), data_offsets: z.tuple([z.int(), z.int()]) }),
    ),
  );

type Tensor = { name: string; dtype: string; shape: string; start: number; byteLength: number };
type Weights = { file: FileHandle; tensors: Map<string, Tensor> };

/** @throws a plain error for a file that is no safetensors: weights are checked before they are kept */
export async function compareWeights(lockedFile: string, replayedFile: string): Promise<TensorDistance> {
  const locked = await openWeights(lockedFile);
  try {
    const replayed = await openWeights(replayedFile);
    try {
      return await compareOpened(locked, replayed);
    } finally {
      await replayed.file.close();
    }
  } finally {
    await locked.file.close();
  }
}

/** Of several files the worst. */
export function joinDistances(distances: readonly TensorDistance[]): TensorDistance {
  return distances.reduce((sum, each) => ({
    tensors: sum.tensors + each.tensors,
    unlike: [...sum.unlike, ...each.unlike],
    largest: each.largest.difference > sum.largest.difference ? each.largest : sum.largest,
    least: each.least.cosine < sum.least.cosine ? each.least : sum.least,
  }));
}

async function compareOpened(locked: Weights, replayed: Weights): Promise<TensorDistance> {
  const distance: TensorDistance = {
    tensors: 0,
    unlike: [...replayed.tensors.keys()].filter((name) => !locked.tensors.has(name)),
    largest: { tensor: '', difference: 0 },
    least: { tensor: '', cosine: 1 },
  };
  for (const one of locked.tensors.values()) {
    const other = replayed.tensors.get(one.name);
    if (other?.dtype !== one.dtype || other.shape !== one.shape) {
      distance.unlike.push(one.name);
      continue;
    }
    const { difference, cosine } = compareValues(await readTensor(locked, one), await readTensor(replayed, other));
    distance.tensors += 1;
    if (difference > distance.largest.difference) distance.largest = { tensor: one.name, difference };
    if (cosine < distance.least.cosine) distance.least = { tensor: one.name, cosine };
  }
  return distance;
}

async function openWeights(path: string): Promise<Weights> {
  const file = await open(path, 'r');
  try {
    const length = Number((await readAt(file, 0, 8)).readBigUInt64LE());
    const header: unknown = JSON.parse((await readAt(file, 8, length)).toString('utf8'));
    const described = Object.entries(headerSchema.parse(header));
    const tensors = described.map(
      ([
        name,
        {
          dtype,
          shape,
          data_offsets: [from, to],
        },
      ]) => ({
        name,
        dtype,
        shape: shape.join('x'),
        start: 8 + length + from,
        byteLength: to - from,
      }),
    );
    return { file, tensors: new Map(tensors.map((tensor) => [tensor.name, tensor])) };
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function readTensor({ file }: Weights, { dtype, start, byteLength }: Tensor): Promise<ArrayLike<number>> {
  const bytes = await readAt(file, start, byteLength);
  const { buffer, byteOffset } = bytes;
  switch (dtype) {
    case 'F64':
      return new Float64Array(buffer, byteOffset, byteLength / 8);
    case 'F32':
      return new Float32Array(buffer, byteOffset, byteLength / 4);
    case 'BF16':
      return brainFloats(new Uint16Array(buffer, byteOffset, byteLength / 2));
    case 'F16':
      return Float64Array.from(new Uint16Array(buffer, byteOffset, byteLength / 2), halfFloat);
    default:
      // Whole numbers and packed weights: equal bytes or not.
      return bytes;
  }
}

/** A bfloat16 is the upper half of a float32. */
function brainFloats(halves: Uint16Array): Float32Array {
  const words = new Uint32Array(halves.length);
  for (const [index, half] of halves.entries()) words[index] = half << 16;
  return new Float32Array(words.buffer);
}

/** IEEE 754 binary16: 1 sign, 5 exponent, 10 fraction bits. */
function halfFloat(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** Two tensors of zeros point the same way. */
function compareValues(one: ArrayLike<number>, other: ArrayLike<number>): { difference: number; cosine: number } {
  let [difference, product, oneSquare, otherSquare] = [0, 0, 0, 0];
  for (let index = 0; index < one.length; index += 1) {
    const [left, right] = [one[index] ?? 0, other[index] ?? 0];
    const apart = Object.is(left, right) ? 0 : Math.abs(left - right);
    // A NaN on one side alone is as far away as can be.
    difference = Math.max(difference, Number.isNaN(apart) ? Infinity : apart);
    product += left * right;
    oneSquare += left * left;
    otherSquare += right * right;
  }
  if (difference === 0) return { difference, cosine: 1 };
  if (oneSquare === 0 || otherSquare === 0) return { difference, cosine: 0 };
  const cosine = product / Math.sqrt(oneSquare * otherSquare);
  return { difference, cosine: Number.isFinite(cosine) ? cosine : -1 };
}

/** In a buffer of its own, which starts at an address that any number may start at. */
async function readAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.from(new ArrayBuffer(length));
  const { bytesRead } = await file.read(buffer, 0, length, position);
  if (bytesRead < length) throw new Error(`The weights end after ${position + bytesRead} bytes.`);
  return buffer;
}
