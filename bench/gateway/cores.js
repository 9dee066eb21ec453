// Who is measured has the first core for itself; the mock and the load share the second. Where there is no taskset, nobody has one.
import { spawnSync } from 'node:child_process';

const hasTaskset = spawnSync('taskset', ['-c', '0', 'true']).status === 0;

/** @returns what stands before a program, so that it runs on that core */
export function onCore(core) {
  return hasTaskset ? ['taskset', '-c', String(core)] : [];
}
