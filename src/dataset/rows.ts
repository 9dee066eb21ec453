// The usable rows of data files, in the contract's form; what is wrong with the others is collected, counted and shown in part.
import { MlxError, type Problem } from '../errors.js';
import type { Prompt } from '../prompts/prompt.js';
import type { Recipe } from '../recipe/schema.js';
import type { DataFile } from './files.js';
import { readRows, type SourceRow } from './read.js';
import { detectShape, shapeExamples, shapeRow, type Shape, type ShapedRow, type TrainingRow } from './shape.js';
import { templatedRow } from './templated.js';

/** Rows by which `format: auto` tells a file's shape. */
const detectionRows = 20;
const shownProblems = 5;

export type ProblemCollector = {
  add: (problem: Problem) => void;
  /** @throws MlxError DATA_INVALID with the first problems and the number of all */
  throwIfAny: (hint?: string) => void;
};

/** A row that can be used, and where it stands. */
export type PlacedRow = { row: TrainingRow; file: string; line: number };

export function collectProblems(): ProblemCollector {
  const first: Problem[] = [];
  const files = new Set<string>();
  let total = 0;
  return {
    add: (problem) => {
      total += 1;
      files.add(problem.file);
      if (first.length < shownProblems) first.push(problem);
    },
    throwIfAny: (hint = `Correct or delete them. A row is one of: ${shapeExamples.join('  ')}`) => {
      if (total === 0) return;
      const rows = total === 1 ? 'One row' : `${total} rows`;
      const shown = total > first.length ? `; the first ${first.length} are shown` : '';
      const names = [...files].join(', ');
      throw new MlxError('DATA_INVALID', `${rows} of ${names} cannot be used${shown}.`, {
        problems: first,
        hint,
      });
    },
  };
}

/** How rows are understood: a known form, or the variables of a prompt. */
export type Reading = Recipe['dataset']['format'] | Prompt;

export async function* readTrainingRows(
  files: readonly DataFile[],
  reading: Reading,
  problems: ProblemCollector,
): AsyncGenerator<PlacedRow> {
  for (const file of files) {
    if (typeof reading === 'string') yield* readFileRows(file, reading, problems);
    else for await (const source of readRows(file)) yield* usable(file, source, reading, problems);
  }
}

async function* readFileRows(
  file: DataFile,
  format: Recipe['dataset']['format'],
  problems: ProblemCollector,
): AsyncGenerator<PlacedRow> {
  let shape: Shape | undefined = format === 'auto' ? undefined : format;
  let waiting: SourceRow[] = [];
  for await (const source of readRows(file)) {
    if (shape !== undefined) {
      yield* usable(file, source, shape, problems);
      continue;
    }
    waiting.push(source);
    if (waiting.length < detectionRows) continue;
    shape = shapeOf(waiting);
    for (const one of waiting) yield* usable(file, one, shape, problems);
    waiting = [];
  }
  shape ??= shapeOf(waiting);
  for (const one of waiting) yield* usable(file, one, shape, problems);
}

/** Rows without any known shape are judged as chat messages, which names the keys that they have. */
function shapeOf(rows: readonly SourceRow[]): Shape {
  return detectShape(rows.flatMap((row) => ('value' in row ? [row.value] : []))) ?? 'messages';
}

function* usable(
  file: DataFile,
  source: SourceRow,
  shape: Shape | Prompt,
  problems: ProblemCollector,
): Generator<PlacedRow> {
  const shaped = 'problem' in source ? source : shapedRow(source.value, shape);
  if ('row' in shaped) yield { row: shaped.row, file: file.shown, line: source.line };
  else problems.add({ file: file.shown, line: source.line, message: shaped.problem });
}

function shapedRow(value: unknown, shape: Shape | Prompt): ShapedRow {
  return typeof shape === 'string' ? shapeRow(value, shape) : templatedRow(value, shape);
}
