// Starts programs that outlive mlx: model servers, stack services, the gateway. group.ts ends them.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';

import { markVariable } from './group.js';
import { ownerOf } from './owner.js';
import { missingProgram, type Program } from './program.js';

/** `exec` keeps the pid, so that the recorded owner is the program itself; an end of input without the word means that mlx died. */
const gate = 'read -r word && [ "$word" = go ] || exit 125; exec "$@" </dev/null';

/**
 * Leads a group of its own; all output goes to the end of `logFile`. The program only begins once `record` has written down
 * who it is: an mlx that dies in between leaves no program behind that nobody knows.
 */
export async function startDetached(
  program: Program & { mark: string; logFile: string },
  record: (owner: string) => Promise<void> | void,
): Promise<string> {
  mkdirSync(dirname(program.logFile), { recursive: true, mode: 0o700 });
  const child = spawnGated(program);
  try {
    await once(child, 'spawn');
  } catch (error) {
    throw missingProgram(program, error);
  }
  const owner = ownerOf(child.pid ?? 0);
  if (owner === undefined) throw missingProgram(program, undefined);
  try {
    await record(owner);
  } catch (error) {
    child.kill('SIGKILL');
    await once(child, 'exit');
    throw error;
  }
  await openGate(child);
  child.unref();
  return owner;
}

async function openGate(child: ChildProcess): Promise<void> {
  // A program that is dead already (EPIPE) is found so by whoever waits for it, with its log.
  child.stdin?.on('error', () => undefined);
  await new Promise<void>((resolve) => child.stdin?.end('go\n', () => resolve()));
}

function spawnGated(program: Program & { mark: string; logFile: string }): ChildProcess {
  const log = openSync(program.logFile, 'a', 0o600);
  try {
    return spawn('/bin/sh', ['-c', gate, 'sh', program.file, ...program.args], {
      env: { ...program.environment, [markVariable]: program.mark },
      cwd: program.folder,
      detached: true,
      stdio: ['pipe', log, log],
    });
  } finally {
    closeSync(log);
  }
}
