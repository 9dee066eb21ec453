// The process: parse argv, open the context, run the one command, the one catch, the exit status.
import { CommanderError, type Command } from 'commander';

import { productVersion } from './config/version.js';
import { isInterrupted, openContext, type GlobalFlags } from './context.js';
import { errorCode, errorMessage, exitStatus, MlxError } from './errors.js';
import { columnsOf, terminalOutput, type Streams } from './output/terminal.js';
import { wrapHelp } from './output/wrap.js';
import { buildProgram, type Invocation } from './program.js';

export type Surroundings = {
  streams: Streams;
  environment: NodeJS.ProcessEnv;
  workingDirectory: string;
  signal: AbortSignal;
};

/** Entry of bin/mlx.js: the real process, its signals and its end. */
export async function main(argv: string[]): Promise<void> {
  const interrupt = interruptOnSignal();
  const { signal } = interrupt;
  for (const stream of [process.stdout, process.stderr])
    stream.on('error', (error: NodeJS.ErrnoException) => stopOnClosedPipe(error, interrupt));
  const status = await runMlx(argv, {
    streams: process,
    environment: process.env,
    workingDirectory: process.cwd(),
    signal,
  });
  // Idle sockets to an Engine or a server must not keep the command alive; what was written is flushed first.
  process.stdout.write('', () => process.exit(statusOfWritten(status)));
}

/** The program in process: argv in, streams written, exit status out. Command tests call this. */
export async function runMlx(typed: readonly string[], surroundings: Surroundings): Promise<number> {
  // `mlx help train` asks what `mlx train --help` answers.
  const argv = typed[0] === 'help' ? [...typed.slice(1), '--help'] : typed;
  let status: number = exitStatus.ok;
  const json = argv.includes('--json');
  try {
    const program = await buildProgram(argv, productVersion(), async (invocation) => {
      status = await runCommand(invocation, surroundings);
    });
    useStreams(program, surroundings.streams, json);
    await program.parseAsync([...argv], { from: 'user' });
    return status;
  } catch (error) {
    if (error instanceof CommanderError) return commanderStatus(error, json, surroundings);
    return reportError(error, json, surroundings);
  }
}

async function runCommand(invocation: Invocation, surroundings: Surroundings): Promise<number> {
  const flags = globalFlags(invocation.flags);
  const output = terminalOutput(
    surroundings.streams,
    { json: invocation.flags['json'] === true, yes: flags.yes },
    surroundings.environment,
  );
  const context = openContext({ ...surroundings, flags, output });
  if (invocation.module.endsOnInterrupt?.(invocation.flags) !== true) tellOfInterrupt(surroundings);
  try {
    const outcome = await invocation.module.run(context, invocation.args, invocation.flags);
    output.result(outcome.value, outcome.render, outcome.verbatim);
    return outcome.exitStatus;
  } finally {
    context.close();
  }
}

function globalFlags(flags: Record<string, unknown>): GlobalFlags {
  const { yes, dryRun, engine, project } = flags;
  return {
    yes: yes === true,
    dryRun: dryRun === true,
    engine: engine === 'docker' || engine === 'host' ? engine : undefined,
    project: typeof project === 'string' ? project : undefined,
  };
}

/** First signal: stop cleanly. Second: stop at once. */
function interruptOnSignal(): AbortController {
  const controller = new AbortController();
  const onSignal = (name: string): void => {
    if (controller.signal.aborted) process.exit(exitStatus.interrupted);
    controller.abort(name);
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  return controller;
}

function tellOfInterrupt({ streams, signal }: Surroundings): void {
  const tell = (): void => {
    if (!isInterrupted(signal)) return;
    // Last, so that a live view takes its picture away before there is a line below it.
    queueMicrotask(() => void streams.stderr.write('\nStopping cleanly; press Ctrl-C again to stop at once.\n'));
  };
  signal.addEventListener('abort', tell, { once: true });
}

function useStreams(program: Command, streams: Streams, json: boolean): void {
  const each = (command: Command): void => {
    command.exitOverride().configureOutput({
      writeOut: (text) => void streams.stdout.write(wrapHelp(text, columnsOf(streams.stdout))),
      // With --json a usage error is the one JSON document on stdout instead.
      writeErr: (text) => void (json || streams.stderr.write(wrapHelp(text, columnsOf(streams.stderr)))),
    });
    command.commands.forEach(each);
  };
  each(program);
}

function commanderStatus(error: CommanderError, json: boolean, surroundings: Surroundings): number {
  if (error.exitCode === 0) return exitStatus.ok;
  // `mlx` or `mlx runs` alone prints its help: a question, not a mistake.
  if (error.code === 'commander.help') return exitStatus.usage;
  if (json) return reportError(new MlxError('USAGE', error.message.replace(/^error: /, '')), json, surroundings);
  return exitStatus.usage;
}

function reportError(error: unknown, json: boolean, surroundings: Surroundings): number {
  const output = terminalOutput(surroundings.streams, { json, yes: false }, surroundings.environment);
  const known = error instanceof MlxError ? error : unexpected(error, surroundings.signal);
  output.error(known);
  if (known.code === 'INTERNAL' && error instanceof Error && !json)
    surroundings.streams.stderr.write(`${error.stack ?? ''}\n`);
  return known.exitStatus;
}

/** What is not an MlxError is our bug, unless it is only the echo of Ctrl-C in some library. */
function unexpected(error: unknown, signal: AbortSignal): MlxError {
  if (signal.aborted)
    return new MlxError('INTERRUPTED', 'Stopped before it was done.', {
      cause: error,
      hint: 'Run the same command again; it goes on or starts over safely.',
    });
  return new MlxError('INTERNAL', `This is a bug in mlx: ${errorMessage(error)}`, {
    cause: error,
    hint: 'Please report it with the lines below and the command that you typed.',
  });
}

/**
 * Nobody reads any more (`mlx train --json | head`), or the disk that stdout goes to is full: stopped as by Ctrl-C, so that work
 * begun is put away, and no line more.
 */
function stopOnClosedPipe(error: NodeJS.ErrnoException, interrupt: AbortController): void {
  interrupt.abort(error.code);
}

/** A result that was lost is no success, but where its reader has left by its own will. */
function statusOfWritten(status: number): number {
  const lost = process.stdout.errored;
  if (lost === null || errorCode(lost) === 'EPIPE') return status;
  process.stderr.write(`error  The result could not be written to stdout: ${errorMessage(lost)}\n`);
  return status === exitStatus.ok ? exitStatus.failed : status;
}
