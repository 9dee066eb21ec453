// What the two drivers of memory say, and what is made of it.
import { expect, test } from 'vitest';

import { containerMemory } from '../../../src/engine/docker/measure.js';
import { gpuBytesOf, readGpuMemory } from '../../../src/engine/gpu.js';

const mib = 2 ** 20;

test.each([
  ['cgroup v1', { total_inactive_file: 300, inactive_file: 9 }],
  ['cgroup v2', { inactive_file: 300 }],
])('a container uses what the kernel could not give back (%s)', (_title, stats) => {
  const memory_stats = { usage: 1000, limit: 4000, stats } as never;
  expect(containerMemory({ memory_stats }, 5000)).toEqual({
    usedBytes: 700,
    limitBytes: 4000,
    freeBytes: 5000,
    of: 'machine',
  });
});

test('a container that has just ended uses nothing that could be told', () => {
  expect(containerMemory({ memory_stats: {} as never }, 5000)).toBeNull();
});

test('the memory of all GPUs is free together, and a process may use several', () => {
  const memory = readGpuMemory('1000\n2000\n', '7, 100\n8, 30\n7, 50\n');
  expect(memory?.freeBytes).toBe(3000 * mib);
  expect(memory && gpuBytesOf(memory, [7])).toBe(150 * mib);
  expect(memory && gpuBytesOf(memory, [9])).toBeUndefined();
});

test('nobody on the GPU is nobody; a driver that does not say is not believed', () => {
  expect(readGpuMemory('1000\n', '')?.bytesByPid.size).toBe(0);
  expect(readGpuMemory('1000\n', '7, [N/A]\n')).toBeUndefined();
  expect(readGpuMemory('', '')).toBeUndefined();
});
