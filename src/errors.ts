// The error that a person can act on, its stable codes, and the exit status that each family of codes has.
// Anything thrown that is not an MlxError is our bug, and main.ts says so.

export const exitStatus = {
  ok: 0,
  failed: 1,
  usage: 2,
  preflight: 3,
  gateRefused: 4,
  gateInconclusive: 5,
  drift: 6,
  busy: 7,
  interrupted: 130,
} as const;

export type ExitStatus = (typeof exitStatus)[keyof typeof exitStatus];

/** Codes whose exit status is not 1. The codes are a contract: scripts match on them (docs/errors.md). */
const statusByCode: Record<string, ExitStatus> = {
  USAGE: exitStatus.usage,
  CONFIG_INVALID: exitStatus.usage,
  CONFIG_MISSING: exitStatus.usage,
  RECIPE_INVALID: exitStatus.usage,
  RECIPE_NOT_FOUND: exitStatus.usage,
  PROMPT_INVALID: exitStatus.usage,
  PROMPT_NOT_FOUND: exitStatus.usage,
  PROMPT_VARIABLES: exitStatus.usage,
  DATA_INVALID: exitStatus.usage,
  DATA_NOT_FOUND: exitStatus.usage,
  SPLIT_EMPTY: exitStatus.usage,
  PROJECT_NOT_FOUND: exitStatus.usage,
  FILE_EXISTS: exitStatus.usage,
  KEY_EXISTS: exitStatus.usage,
  NOT_FOUND: exitStatus.usage,
  AMBIGUOUS: exitStatus.usage,
  PROMPT_NEEDS_TERMINAL: exitStatus.usage,
  DOCKER_UNREACHABLE: exitStatus.preflight,
  COMPOSE_MISSING: exitStatus.preflight,
  PYTHON_MISSING: exitStatus.preflight,
  DISK_FULL: exitStatus.preflight,
  PORT_TAKEN: exitStatus.preflight,
  TAG_MOVED: exitStatus.preflight,
  NOTHING_LIVE: exitStatus.usage,
  GOLDEN_FAILED: exitStatus.gateRefused,
  TOO_SLOW: exitStatus.gateRefused,
  WATCH_WORSE: exitStatus.gateRefused,
  WATCH_INCONCLUSIVE: exitStatus.gateInconclusive,
  ADAPTER_INCONCLUSIVE: exitStatus.gateInconclusive,
  STRATEGY_IMPOSSIBLE: exitStatus.preflight,
  BUSY: exitStatus.busy,
  INTERRUPTED: exitStatus.interrupted,
};

export type Problem = {
  /** Path of the file, as the person wrote it. */
  file: string;
  /** 1-based line, when known. */
  line?: number;
  /** Dotted path inside the file, for example `trainer.learning_rate`. */
  path?: string;
  message: string;
  /** Of a golden prompt, whole: what the file says and what was answered. Shown and never kept: it may be anything. */
  expected?: string;
  actual?: string;
};

export type MlxErrorDetails = {
  /** The next thing to type or do. */
  hint?: string;
  cause?: unknown;
  /** Every problem of a file at once. */
  problems?: Problem[];
};

export class MlxError extends Error {
  override readonly name = 'MlxError';
  readonly code: string;
  readonly hint: string | undefined;
  readonly problems: Problem[];

  constructor(code: string, message: string, details: MlxErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.hint = details.hint;
    this.problems = details.problems ?? [];
  }

  get exitStatus(): ExitStatus {
    return statusByCode[this.code] ?? exitStatus.failed;
  }
}

/** An error that somebody of ours threw, with this code. */
export function isMlxError(error: unknown, code: string): error is MlxError {
  return error instanceof MlxError && error.code === code;
}

/** The `code` of a Node or library error (`ENOENT`, `ENOSPC`), without matching on its text. */
export function errorCode(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/** No room on the disk, or in the person's share of it. */
export function isDiskFull(error: unknown): boolean {
  return ['ENOSPC', 'EDQUOT'].includes(errorCode(error) ?? '');
}

export function errorMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
