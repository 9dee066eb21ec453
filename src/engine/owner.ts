// Who owns a run, a promotion or a process: pid, its start time and the boot, so that a pid that came round again,
// or a reboot, never looks like a living owner. No stale lock ever needs a person.
import { readFileSync } from 'node:fs';

import { errorCode } from '../errors.js';

/** `pid:start:boot` of this process. */
export function currentOwner(): string {
  return ownerOf(process.pid) ?? `${process.pid}:0:0`;
}

/** @returns undefined when there is no such process */
export function ownerOf(pid: number): string | undefined {
  const started = processStart(pid);
  return started === undefined ? undefined : `${pid}:${started}:${bootId()}`;
}

export function ownerPid(owner: string): number {
  return Number(owner.split(':')[0]);
}

export function ownerIsAlive(owner: string): boolean {
  return ownerOf(ownerPid(owner)) === owner;
}

/** Clock ticks since boot (Linux) or the start date in words (macOS). */
function processStart(pid: number): string | undefined {
  if (process.platform !== 'linux') return processStartFromPs(pid);
  try {
    return startOf(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ESRCH') return undefined;
    throw error;
  }
}

/**
 * From a line of /proc/PID/stat (man 5 proc_pid_stat). A zombie counts as gone once it is alone: while other threads of a killed process are
 * still ending, its ports and files are not free. Pure.
 */
export function startOf(stat: string): string | undefined {
  // The second field is the name in parentheses and may itself hold spaces: count from the last parenthesis.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [state, threads, start] = [fields[0], Number(fields[17]), fields[19]];
  return state === 'Z' && threads <= 1 ? undefined : start;
}

function processStartFromPs(pid: number): string | undefined {
  // Not imported: nearly every command asks for owners, and Linux never needs it.
  const { execFileSync } = process.getBuiltinModule('node:child_process');
  try {
    return (
      execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' })
        .trim()
        .replaceAll(/[: ]+/g, '-') || undefined
    );
  } catch {
    return undefined;
  }
}

function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim().slice(0, 8);
  } catch {
    return 'boot';
  }
}
