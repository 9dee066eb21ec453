// Runs programs to their end: with their lines, or for one answer. Never through a shell's parsing.
// What outlives mlx is started by detached.ts.
import { execa } from 'execa';

import { killGroup } from './group.js';
import { missingProgram, type Program } from './program.js';

export type Exit = { status: number | null; signal: string | null };

export type RunOptions = {
  onStdout?: (line: string) => void;
  onStderr?: (line: string) => void;
  /** Aborting sends SIGTERM once, and SIGKILL (to its whole group, if it has one) when the grace time is over. */
  signal?: AbortSignal;
  graceMs?: number;
  /** A group of its own: a Ctrl-C in the terminal does not reach it, and what it leaves behind is killed at its end. */
  ownGroup?: boolean;
  /** Called with the pid as soon as there is one. */
  onStart?: (pid: number) => void;
};

const defaultGraceMs = 10_000;

/** Runs to the end. @throws MlxError PROGRAM_MISSING when the file cannot be started */
export async function runProgram(program: Program, options: RunOptions = {}): Promise<Exit> {
  if (options.signal?.aborted) return { status: 130, signal: null };
  const child = spawnProgram(program, options.ownGroup ?? false);
  const pid = child.pid;
  if (pid !== undefined) options.onStart?.(pid);
  const unwatch = endOnAbort(child, options);
  try {
    const [result] = await Promise.all([
      child,
      readLines(child, 'stdout', options.onStdout),
      readLines(child, 'stderr', options.onStderr),
    ]);
    if (pid === undefined) throw missingProgram(program, result.cause ?? result);
    return { status: result.exitCode ?? null, signal: result.signal ?? null };
  } finally {
    unwatch();
  }
}

/**
 * Runs to the end on mlx's own terminal. A Ctrl-C there reaches the program by itself (same process group), so only
 * an abort of another kind is passed on; a second signal would stop it at once.
 */
export async function runOnTerminal(program: Program, signal: AbortSignal): Promise<Exit> {
  const child = execa(program.file, program.args, {
    env: program.environment,
    extendEnv: false,
    ...(program.folder === undefined ? {} : { cwd: program.folder }),
    stdio: 'inherit',
    reject: false,
  });
  const passOn = (): void =>
    void (signal.reason === 'SIGINT' && process.stdin.isTTY ? undefined : child.kill('SIGTERM'));
  signal.addEventListener('abort', passOn, { once: true });
  const result = await child;
  signal.removeEventListener('abort', passOn);
  return { status: result.exitCode ?? null, signal: result.signal ?? null };
}

/** What a program says in answer to a quick question; undefined when there is no such program. */
export async function askProgram(
  program: Program,
  timeoutMs = 30_000,
): Promise<(Exit & { stdout: string }) | undefined> {
  const answer = await execa(program.file, program.args, {
    env: program.environment,
    extendEnv: false,
    ...(program.folder === undefined ? {} : { cwd: program.folder }),
    stdin: 'ignore',
    stderr: 'ignore',
    reject: false,
    timeout: timeoutMs,
  });
  if (answer.exitCode === undefined && answer.signal === undefined) return undefined;
  return { status: answer.exitCode ?? null, signal: answer.signal ?? null, stdout: answer.stdout };
}

type Child = ReturnType<typeof spawnProgram>;

function spawnProgram(program: Program, ownGroup: boolean) {
  return execa(program.file, program.args, {
    env: program.environment,
    extendEnv: false,
    ...(program.folder === undefined ? {} : { cwd: program.folder }),
    stdin: 'ignore',
    buffer: false,
    reject: false,
    detached: ownGroup,
    // execa ends a child when mlx exits, but not a detached one: see endOnAbort.
    cleanup: !ownGroup,
  });
}

/** @returns what ends the watching */
function endOnAbort(child: Child, options: RunOptions): () => void {
  const { signal, graceMs = defaultGraceMs, ownGroup = false } = options;
  const pid = child.pid;
  if (pid === undefined) return () => undefined;
  const kill = () => (ownGroup ? killGroup(pid, 'SIGKILL') : child.kill('SIGKILL'));
  let deadline: NodeJS.Timeout | undefined;
  const onAbort = () => {
    // To the program alone: workers that die under it would look like a failure to it.
    child.kill('SIGTERM');
    deadline = setTimeout(kill, graceMs);
  };
  // Children that the program leaves behind would hold its output open for ever.
  if (ownGroup) child.once('exit', kill);
  if (ownGroup) process.once('exit', kill);
  signal?.addEventListener('abort', onAbort, { once: true });
  return () => {
    clearTimeout(deadline);
    signal?.removeEventListener('abort', onAbort);
    process.removeListener('exit', kill);
  };
}

async function readLines(child: Child, from: 'stdout' | 'stderr', onLine?: (line: string) => void): Promise<void> {
  for await (const line of child.iterable({ from })) onLine?.(line);
}
