// What a model server's processes use of the machine's memory, or of its GPU.
import { readFileSync } from 'node:fs';
import { freemem } from 'node:os';

import type { Paths } from '../../config/paths.js';
import type { MemoryUse } from '../engine.js';
import { gpuUseOf, gpuMemory } from '../gpu.js';
import { groupPids } from '../group.js';
import { ownerPid } from '../owner.js';
import { findServerRecord } from './server-records.js';

export type MeasureEdges = { paths: Paths; environment: NodeJS.ProcessEnv; gpu: boolean };

/** @returns null for one that does not run, and where the system does not say (macOS) */
export async function measureServer({ paths, environment, gpu }: MeasureEdges, id: string): Promise<MemoryUse | null> {
  const record = findServerRecord(paths, id);
  const pids = record ? groupPids(ownerPid(record.owner)) : [];
  if (pids.length === 0) return null;
  if (gpu) {
    const memory = await gpuMemory(environment);
    const use = memory && gpuUseOf(memory, pids);
    return use === undefined ? null : { ...use, limitBytes: null, of: 'gpu' };
  }
  const usedBytes = pids.reduce((sum, pid) => sum + residentBytes(pid), 0);
  return usedBytes === 0 ? null : { usedBytes, limitBytes: null, freeBytes: freemem(), of: 'machine' };
}

function residentBytes(pid: number): number {
  try {
    return 1024 * Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0);
  } catch {
    // Ended meanwhile.
    return 0;
  }
}
