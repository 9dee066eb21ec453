// A program to start, and the error when it cannot be started.
import { errorCode, MlxError } from '../errors.js';

export type Program = {
  file: string;
  args: readonly string[];
  /** Complete: nothing of mlx's own environment is added. */
  environment: NodeJS.ProcessEnv;
  folder?: string;
};

export function missingProgram(program: Program, cause: unknown): MlxError {
  const why = errorCode(cause) === 'EACCES' ? 'may not be executed' : 'was not found';
  return new MlxError('PROGRAM_MISSING', `${program.file} could not be started: it ${why}.`, {
    cause,
    hint: 'See what is missing on this machine: mlx doctor',
  });
}
