// What the two drivers of memory say, and what is made of it.
import { expect, test } from 'vitest';

import { containerMemory } from '../../../src/engine/docker/measure.js';
import { gpuUseOf, readGpuMemory } from '../../../src/engine/gpu.js';

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

test('free is what is free on the GPU that holds the server: with several, on the one that has the least left over', () => {
  const memory = readGpuMemory(
    'GPU-a, 1000\nGPU-b, 9000\n',
    'GPU-a, 7, 100\nGPU-b, 8, 30\nGPU-a, 7, 50\nGPU-b, 7, 60\n',
  );
  expect(memory && gpuUseOf(memory, [7])).toEqual({ usedBytes: 150 * mib, freeBytes: 1000 * mib });
  expect(memory && gpuUseOf(memory, [8])).toEqual({ usedBytes: 30 * mib, freeBytes: 9000 * mib });
  expect(memory && gpuUseOf(memory, [9])).toBeUndefined();
});

test('nobody on the GPU is nobody; a driver that does not say is not believed', () => {
  expect(readGpuMemory('GPU-a, 1000\n', '')?.get('GPU-a')?.bytesByPid.size).toBe(0);
  expect(readGpuMemory('GPU-a, 1000\n', 'GPU-a, 7, [N/A]\n')).toBeUndefined();
  expect(readGpuMemory('GPU-a, [N/A]\n', '')).toBeUndefined();
  expect(readGpuMemory('', '')).toBeUndefined();
});
