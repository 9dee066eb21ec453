// What is not there today, or cannot be read, on the field of the lock that it belongs to. Such drift is not for --allow. Pure.
import type { MlxError, Problem } from '../errors.js';
import type { DriftRow } from '../recipe/drift.js';
import type { Recipe } from '../recipe/schema.js';

/** By split: why its rows cannot be prepared. */
export type RowProblems = Partial<Record<'train' | 'held_out', string>>;

/** Rows that both splits share are those of the training split; what names no file keeps both from being made. */
export function rowProblems({ held_out: heldOut }: Recipe['dataset'], error: MlxError): RowProblems {
  const heldOutFiles: unknown[] = Array.isArray(heldOut) ? heldOut : [heldOut];
  const isHeldOut = ({ file }: Problem): boolean => heldOutFiles.includes(file);
  const [train, held] = [error.problems.filter((one) => !isHeldOut(one)), error.problems.filter(isHeldOut)];
  if (error.problems.length === 0) return { train: error.message, held_out: error.message };
  return {
    ...(train.length === 0 ? {} : { train: describeProblems(train) }),
    ...(held.length === 0 ? {} : { held_out: describeProblems(held) }),
  };
}

/** The rows of a split cannot be prepared: that stands in the place of their hash. The other split was then not prepared either. */
export function withRowProblems(rows: readonly DriftRow[], problems: RowProblems): DriftRow[] {
  return rows
    .filter(({ field }) => !/^dataset\.\w+\.order$/.test(field))
    .map((row) => {
      const split = /^dataset\.(train|held_out)\.rows$/.exec(row.field)?.[1];
      if (split !== 'train' && split !== 'held_out') return row;
      const problem = problems[split];
      return problem === undefined ? { ...row, status: 'unknown', today: 'not known here' } : absent(row, problem);
    });
}

export function baseProblem(rows: readonly DriftRow[], problem: string): DriftRow[] {
  return rows.map((row) => (row.field === 'base_model.files' ? absent(row, problem) : row));
}

export function describeProblems(problems: readonly Problem[]): string {
  return problems
    .map(({ file, line, message }) => `${file}${line === undefined ? '' : ` line ${line}`} ${message}`)
    .join('; ');
}

function absent(row: DriftRow, today: string): DriftRow {
  return { ...row, status: 'drift', allowed: false, missing: true, today };
}
