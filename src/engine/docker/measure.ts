// What a model server's container uses of the machine's memory, or of its GPU.
import { freemem } from 'node:os';

import type { ContainerStats } from 'dockerode';

import type { MemoryUse } from '../engine.js';
import { gpuUseOf, gpuMemory } from '../gpu.js';
import { askMaybe } from './connection.js';
import type { DockerEdges } from './edges.js';
import { visibleGpu } from './images.js';
import { label, labelFilters } from './names.js';

/** @returns null for one that does not run, or on an Engine elsewhere: what is free there is not known here */
export async function measureContainer(edges: DockerEdges, id: string): Promise<MemoryUse | null> {
  const { docker, host } = edges.connection;
  if (host !== undefined && !host.startsWith('unix:')) return null;
  const filters = labelFilters({ [label.project]: edges.paths.projectId, [label.server]: id });
  const [found] = (await askMaybe(edges.connection, () => docker.listContainers({ filters }))) ?? [];
  if (!found) return null;
  const container = docker.getContainer(found.Id);
  if (await visibleGpu(edges)) return measureGpu(edges, container);
  const stats = await askMaybe(edges.connection, () => container.stats({ stream: false, 'one-shot': true }));
  return stats ? containerMemory(stats, freemem()) : null;
}

/** Pure. Pages of files that the kernel would give back are not the server's: as `docker stats` counts. */
export function containerMemory(
  { memory_stats: memory }: Pick<ContainerStats, 'memory_stats'>,
  freeBytes: number,
): MemoryUse | null {
  const { usage, limit } = memory as { usage?: number; limit?: number };
  if (usage === undefined) return null;
  // cgroup v1 and v2 name it differently.
  const details = memory.stats as Record<string, number | undefined> | undefined;
  const files = details?.['total_inactive_file'] ?? details?.['inactive_file'] ?? 0;
  return { usedBytes: Math.max(0, usage - files), limitBytes: limit ?? null, freeBytes, of: 'machine' };
}

async function measureGpu(edges: DockerEdges, container: { top: () => Promise<Top> }): Promise<MemoryUse | null> {
  const [memory, top] = await Promise.all([
    gpuMemory(edges.environment),
    askMaybe(edges.connection, () => container.top()),
  ]);
  const column = top?.Titles.indexOf('PID') ?? -1;
  if (!memory || !top || column < 0) return null;
  const use = gpuUseOf(
    memory,
    top.Processes.map((row) => Number(row[column])),
  );
  return use === undefined ? null : { ...use, limitBytes: null, of: 'gpu' };
}

/** The Engine's `ps`, with the host's process numbers. */
type Top = { Titles: string[]; Processes: string[][] };
