// Starts mlx itself, as a person would, in the demo's folder.
import { join } from 'node:path';

import { packageRoot } from '../config/paths.js';
import { runOnTerminal, runProgram as runQuietly } from '../engine/exec.js';
import type { Program } from '../engine/program.js';
import type { EngineKind } from '../engine/engine.js';

/** `shown`: on this terminal, live. `silent`: nothing is shown. @returns the exit status, null when a signal ended it */
export type RunProgram = (argv: string[], folder: string, how: 'shown' | 'silent') => Promise<number | null>;

export type ProgramSettings = { engine: EngineKind; environment: NodeJS.ProcessEnv; signal: AbortSignal };

export function programRunner({ engine, environment, signal }: ProgramSettings): RunProgram {
  return async (argv, folder, how) => {
    const program: Program = {
      file: process.execPath,
      args: [join(packageRoot(), 'bin', 'mlx.js'), ...argv],
      environment: { ...environment, MLX_ENGINE: engine },
      folder,
    };
    // `silent` steps clean up: they run to their end also when the demo was stopped.
    const exit = how === 'shown' ? await runOnTerminal(program, signal) : await runQuietly(program);
    return exit.status;
  };
}
