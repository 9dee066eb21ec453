// What a check says. `fail`: something that the chosen engine needs is missing. `skip`: does not apply here, or was not asked.

export type FindingStatus = 'ok' | 'warn' | 'fail' | 'skip';

export type Finding = {
  check: string;
  status: FindingStatus;
  /** What was found, with the real name and value. */
  what: string;
  /** What it means for mlx; null when there is nothing to explain. */
  why: string | null;
  /** The next command to type, or the setting to change. */
  fix: string | null;
};

/** How a check says the same thing in one line of code. */
export function ok(check: string, what: string): Finding {
  return { check, status: 'ok', what, why: null, fix: null };
}

export function skip(check: string, what: string): Finding {
  return { check, status: 'skip', what, why: null, fix: null };
}

export function warn(check: string, what: string, why: string, fix: string | null = null): Finding {
  return { check, status: 'warn', what, why, fix };
}

export function fail(check: string, what: string, why: string, fix: string): Finding {
  return { check, status: 'fail', what, why, fix };
}

/** Missing, and needed or only useful: the chosen engine decides. */
export function missing(needed: boolean, check: string, what: string, why: string, fix: string): Finding {
  return { check, status: needed ? 'fail' : 'warn', what, why, fix };
}
