// Runs the docker CLI for what the Engine's API cannot do alone: Compose and Buildx.
import { MlxError } from '../../errors.js';
import { runProgram, type Exit } from '../exec.js';
import { ask, type Connection } from './connection.js';

export type CliRun = {
  args: readonly string[];
  /** Laid over the connection's environment. */
  variables?: Record<string, string>;
  onStdout?: (line: string) => void;
  onStderr?: (line: string) => void;
  signal?: AbortSignal;
  /** A Ctrl-C in the terminal does not reach it: it ends by itself or by the signal. */
  ownGroup?: boolean;
};

/** Compose files, by name, in `folder`: `train.yaml`, and `gpu.yaml` over it. */
export type ComposeRun = Omit<CliRun, 'args'> & {
  folder: string;
  files: readonly string[];
  project: string;
  args: readonly string[];
};

const lastLineCount = 20;

/**
 * Runs Compose to the end. @returns its stdout
 * @throws MlxError DOCKER_UNREACHABLE when the Engine went away, COMPOSE_FAILED with Compose's last lines otherwise
 */
export async function compose(connection: Connection, run: ComposeRun): Promise<string> {
  const lines: string[] = [];
  const last: string[] = [];
  const exit = await runDocker(connection, {
    ...run,
    args: composeArgs(run),
    ownGroup: true,
    onStdout: (line) => void lines.push(line),
    onStderr: (line) => keepLast(last, line),
  });
  if (exit.status !== 0) throw await composeFailure(connection, run, exit, last);
  return lines.join('\n');
}

/** Pure: the command line without `docker`. */
export function composeArgs(run: Pick<ComposeRun, 'folder' | 'files' | 'project' | 'args'>): string[] {
  const files = run.files.flatMap((file) => ['--file', `${run.folder}/${file}`]);
  return ['compose', '--progress', 'plain', '--project-name', run.project, ...files, ...run.args];
}

/** @throws MlxError PROGRAM_MISSING when there is no docker CLI */
export async function runDocker(connection: Connection, run: CliRun): Promise<Exit> {
  return runProgram(
    { file: 'docker', args: run.args, environment: { ...connection.environment, ...run.variables } },
    {
      ...(run.onStdout && { onStdout: run.onStdout }),
      ...(run.onStderr && { onStderr: run.onStderr }),
      ...(run.signal && { signal: run.signal }),
      ...(run.ownGroup && { ownGroup: true }),
    },
  );
}

export function keepLast(lines: string[], line: string): void {
  if (line.trim() === '') return;
  lines.push(line);
  if (lines.length > lastLineCount) lines.shift();
}

async function composeFailure(connection: Connection, run: ComposeRun, exit: Exit, last: string[]): Promise<Error> {
  if (run.signal?.aborted)
    return new MlxError('INTERRUPTED', `docker compose ${run.args[0] ?? ''} was interrupted.`, {
      hint: 'See what runs: mlx status',
    });
  // Compose tells a lost Engine and a refusal apart in words only; one more question settles it.
  await ask(connection, (docker) => docker.ping());
  const how = exit.status === null ? `ended by ${exit.signal ?? 'a signal'}` : `exit status ${exit.status}`;
  return new MlxError(
    'COMPOSE_FAILED',
    `docker compose ${run.args[0] ?? ''} for ${run.project} failed (${how}):\n${last.join('\n')}`,
    { hint: 'See what Docker on this machine lacks: mlx doctor' },
  );
}
