// Runs programs to their end: with their lines, or for one answer. Never through a shell's parsing.
// What outlives mlx is started by detached.ts.
import { execa } from 'execa';

import { killGroup, waitForGroupEnd } from './group.js';
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
  const watch = watchChild(child, options);
  try {
    startListening(child, options, watch.kill);
    const [result] = await Promise.all([
      child,
      readLines(child, 'stdout', options.onStdout, watch.kill),
      readLines(child, 'stderr', options.onStderr, watch.kill),
    ]);
    if (child.pid === undefined) throw missingProgram(program, result.cause ?? result);
    return { status: result.exitCode ?? null, signal: result.signal ?? null };
  } finally {
    if (options.ownGroup && child.pid !== undefined) await waitForGroupEnd(child.pid);
    watch.end();
  }
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

/** Runs with this terminal as its own. A Ctrl-C reaches it from there; any other abort is handed on as SIGTERM. */
export async function runOnTerminal(program: Program, signal: AbortSignal): Promise<Exit> {
  const child = execa(program.file, program.args, {
    env: program.environment,
    extendEnv: false,
    ...(program.folder === undefined ? {} : { cwd: program.folder }),
    stdio: 'inherit',
    reject: false,
  });
  const onAbort = () => {
    // Two signals mean "stop at once" to mlx itself.
    if (!(process.stdin.isTTY && signal.reason === 'SIGINT')) child.kill('SIGTERM');
  };
  signal.addEventListener('abort', onAbort, { once: true });
  const result = await child;
  signal.removeEventListener('abort', onAbort);
  if (child.pid === undefined) throw missingProgram(program, result.cause ?? result);
  return { status: result.exitCode ?? null, signal: result.signal ?? null };
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
    // execa ends a child when mlx exits, but not a detached one: see watchChild.
    cleanup: !ownGroup,
  });
}

function watchChild(child: Child, options: RunOptions): { kill: () => void; end: () => void } {
  const { signal, graceMs = defaultGraceMs, ownGroup = false } = options;
  const pid = child.pid;
  if (pid === undefined) return { kill: () => undefined, end: () => undefined };
  const kill = () => void (ownGroup ? killGroup(pid, 'SIGKILL') : child.kill('SIGKILL'));
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
  const end = () => {
    clearTimeout(deadline);
    signal?.removeEventListener('abort', onAbort);
    process.removeListener('exit', kill);
  };
  return { kill, end };
}

/** A program must not go on without a record of it, or without a listener. */
function startListening(child: Child, options: RunOptions, kill: () => void): void {
  try {
    if (child.pid !== undefined) options.onStart?.(child.pid);
  } catch (error) {
    kill();
    throw error;
  }
}

/** Leaving the loop early would wait for the program's end: a listener that fails ends the program instead. */
async function readLines(
  child: Child,
  from: 'stdout' | 'stderr',
  onLine: ((line: string) => void) | undefined,
  kill: () => void,
): Promise<void> {
  const failures: unknown[] = [];
  for await (const line of child.iterable({ from })) {
    try {
      if (failures.length === 0) onLine?.(line);
    } catch (error) {
      failures.push(error);
      kill();
    }
  }
  if (failures.length > 0) throw failures[0];
}
