// Ends a program with everything that it started: a group of its own, led by the pid that its owner string names.
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';

import { errorCode } from '../errors.js';
import { ownerIsAlive, ownerOf, ownerPid } from './owner.js';

/** In the environment of every program that outlives a command: tells its children from a stranger's after the leader died. */
export const markVariable = 'MLX_OWNED_BY';

const leftoverGraceMs = 2_000;

/**
 * SIGTERM to the leader (workers that die under it would look like a failure to it), then to what it left behind;
 * SIGKILL to whatever outlives the grace time.
 * @returns false when nothing was there any more
 */
export async function endGroup(owner: string, mark: string, graceMs: number): Promise<boolean> {
  const leader = ownerPid(owner);
  if (!ownerIsAlive(owner)) return endOrphans(leader, mark);
  signalProcess(leader, 'SIGTERM');
  await waitWhile(() => ownerIsAlive(owner), graceMs);
  if (!ownerIsAlive(owner) && killGroup(leader, 'SIGTERM')) await waitWhile(() => groupExists(leader), leftoverGraceMs);
  killGroup(leader, 'SIGKILL');
  await waitWhile(() => ownerIsAlive(owner), leftoverGraceMs);
  await waitForGroupEnd(leader);
  return true;
}

/** Waits for what SIGKILL takes a moment to end. */
export async function waitForGroupEnd(leader: number): Promise<void> {
  await waitWhile(() => signalProcess(-leader, 0) && groupExists(leader), leftoverGraceMs);
}

/** @returns false when there is no such group */
export function killGroup(leader: number, signal: NodeJS.Signals): boolean {
  return signalProcess(-leader, signal);
}

/** Linux only; elsewhere nobody. */
export function groupPids(leader: number): number[] {
  return runningPids().filter((pid) => groupOf(pid) === leader);
}

/** On Linux without those that ended and only wait for their parent to notice. */
function groupExists(leader: number): boolean {
  if (process.platform !== 'linux') return signalProcess(-leader, 0);
  return groupPids(leader).length > 0;
}

async function waitWhile(holds: () => boolean, atMostMs: number): Promise<void> {
  const deadlineMs = Date.now() + atMostMs;
  while (holds() && Date.now() < deadlineMs) await pause(25);
}

function signalProcess(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, signal);
  } catch (error) {
    // EPERM: only zombies are left (macOS), or the group's number belongs to somebody else now.
    if (errorCode(error) === 'ESRCH' || errorCode(error) === 'EPERM') return false;
    throw error;
  }
}

/** The leader was killed, its children live on: theirs is the group's number and our mark. Linux only. */
async function endOrphans(leader: number, mark: string): Promise<boolean> {
  const orphans = runningPids().filter((pid) => groupOf(pid) === leader && isMarked(pid, mark));
  for (const pid of orphans) signalProcess(pid, 'SIGKILL');
  await waitWhile(() => orphans.some((pid) => ownerOf(pid) !== undefined), leftoverGraceMs);
  return orphans.length > 0;
}

function runningPids(): number[] {
  if (process.platform !== 'linux') return [];
  return readdirSync('/proc').map(Number).filter(Number.isInteger);
}

function groupOf(pid: number): number | undefined {
  const stat = readProcessFile(pid, 'stat');
  // After the name in parentheses: state, parent, group.
  const [state, , group] = stat?.slice(stat.lastIndexOf(')') + 2).split(' ') ?? [];
  return group === undefined || state === 'Z' ? undefined : Number(group);
}

function isMarked(pid: number, mark: string): boolean {
  return readProcessFile(pid, 'environ')?.split('\0').includes(`${markVariable}=${mark}`) ?? false;
}

/** undefined when the process ended meanwhile, or belongs to another user. */
function readProcessFile(pid: number, name: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'utf8');
  } catch {
    return undefined;
  }
}
