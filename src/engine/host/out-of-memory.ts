// Evidence that the kernel killed a program for want of memory: its own counters, before and after.
import { readFileSync } from 'node:fs';

/** How many programs the kernel has killed so far, in our control group and on the machine. */
export function countOomKills(): number {
  return counterFiles(readIfThere('/proc/self/cgroup'))
    .map((file) => parseOomKills(readIfThere(file)))
    .reduce((sum, count) => sum + count, 0);
}

/** cgroup v2 is the entry without a name; v1's memory controller has a tree of its own. */
export function counterFiles(cgroups: string): string[] {
  const paths = cgroups.split('\n').map((line) => line.split(':'));
  const unified = paths.find(([, controllers]) => controllers === '')?.[2];
  const memory = paths.find(([, controllers]) => controllers?.split(',').includes('memory'))?.[2];
  return [
    ...(unified === undefined ? [] : [`/sys/fs/cgroup${unified}/memory.events`]),
    ...(memory === undefined ? [] : [`/sys/fs/cgroup/memory${memory}/memory.oom_control`]),
    '/proc/vmstat',
  ];
}

export function parseOomKills(text: string): number {
  return Number(/^oom_kill (\d+)$/m.exec(text)?.[1] ?? 0);
}

function readIfThere(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
