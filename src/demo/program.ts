// Starts mlx itself, as a person would, in the demo's folder.
import type { EngineKind } from '../engine/engine.js';

/** `shown`: on this terminal, live. `silent`: nothing is shown. @returns the exit status */
export type RunProgram = (argv: string[], folder: string, how: 'shown' | 'silent') => Promise<number>;

export type ProgramSettings = { engine: EngineKind; environment: NodeJS.ProcessEnv; signal: AbortSignal; json: boolean };
