// Runs the checks (all at once: most of them wait for a program) and, when asked, the safe fixes before them.
import { errorMessage, MlxError } from '../errors.js';
import { checks, type Check } from './checks.js';
import type { Finding, FindingStatus } from './finding.js';
import type { Machine } from './machine.js';

export type Examination = {
  engine: Machine['engine'];
  findings: Finding[];
  counts: Record<FindingStatus, number>;
  /** What --fix did, in words; empty without it, or when there was nothing to do. */
  fixed: string[];
};

export async function examine(machine: Machine, fix: boolean, list: readonly Check[] = checks): Promise<Examination> {
  const fixed = fix ? await applyFixes(machine, list) : [];
  const found = await Promise.all(list.map((check) => check.find(machine)));
  const findings = [...fixed.filter(isFinding), ...found.flat()];
  return {
    engine: machine.engine,
    findings,
    counts: countByStatus(findings),
    fixed: fixed.filter((line) => typeof line === 'string'),
  };
}

/** One after the other: each may need what the one before has made. A fix that fails is a finding, the others go on. */
async function applyFixes(machine: Machine, list: readonly Check[]): Promise<(string | Finding)[]> {
  const fixed: (string | Finding)[] = [];
  for (const { fix } of list) {
    if (!fix) continue;
    try {
      fixed.push(...(await fix(machine)));
    } catch (error) {
      machine.signal.throwIfAborted();
      const hint = error instanceof MlxError ? error.hint : undefined;
      fixed.push({ check: 'fix', status: 'warn', what: errorMessage(error), why: null, fix: hint ?? null });
    }
  }
  return fixed;
}

function isFinding(line: string | Finding): line is Finding {
  return typeof line !== 'string';
}

function countByStatus(findings: readonly Finding[]): Examination['counts'] {
  const counts = { ok: 0, warn: 0, fail: 0, skip: 0 };
  for (const { status } of findings) counts[status] += 1;
  return counts;
}
