// Memory and shared memory. A container or a service manager may allow less than the machine has: the lower limit counts.
import { statfs } from 'node:fs/promises';
import { cpus, totalmem } from 'node:os';

import { fail, ok, warn, type Finding } from './finding.js';
import type { Machine } from './machine.js';

/** The demo's training takes 1.5 GiB, vLLM on the CPU 2.8 GiB with the smallest model. */
const leastGib = 3;
const comfortableGib = 8;
/** torch hands batches between its processes through /dev/shm; 64 MiB is Docker's default, and too little. */
const leastShmMib = 65;

export function checkMemory(): Promise<Finding[]> {
  const machineGib = totalmem() / 2 ** 30;
  // 0, or beyond what the machine has, means that there is no limit.
  const allowedGib = process.constrainedMemory() / 2 ** 30;
  const gib = allowedGib > 0 ? Math.min(machineGib, allowedGib) : machineGib;
  const limited = gib < machineGib ? ` (the machine has ${machineGib.toFixed(0)})` : '';
  const what = `${gib.toFixed(0)} GiB${limited}, ${cpus().length} processors`;
  const fix = 'Close other programs, or choose a smaller base model and batch.';
  if (gib < leastGib) return Promise.resolve([fail('memory', what, `At least ${leastGib} GiB are needed.`, fix)]);
  const why = 'Enough for the demo; a model of a billion parameters needs more than 8 GiB to train.';
  return Promise.resolve([gib < comfortableGib ? warn('memory', what, why, fix) : ok('memory', what)]);
}

/** Containers get their own shared memory from compose/*.yaml. */
export async function checkSharedMemory(machine: Machine): Promise<Finding[]> {
  if (machine.engine.kind === 'docker' || process.platform !== 'linux') return [];
  const { blocks, bsize } = await statfs('/dev/shm');
  const mib = (blocks * bsize) / 2 ** 20;
  const what = `${mib.toFixed(0)} MiB in /dev/shm`;
  if (mib >= leastShmMib) return [ok('shared memory', what)];
  const fix = 'sudo mount -o remount,size=1G /dev/shm (in a container: docker run --shm-size 1g)';
  return [warn('shared memory', what, 'vLLM and data loaders with several processes run out of it.', fix)];
}
