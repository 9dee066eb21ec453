// Rows of JSONL, CSV and Parquet files as plain values, streamed, each with its line (Parquet: its row).
import { Readable } from 'node:stream';

import type { DataFile } from './files.js';
import { readLines } from './lines.js';

export type SourceRow = { line: number; value: unknown } | { line: number; problem: string };

export function readRows(file: DataFile): AsyncGenerator<SourceRow> {
  if (file.format === 'csv') return readCsv(file.path);
  return file.format === 'parquet' ? readParquet(file.path) : readJsonl(file.path);
}

async function* readJsonl(path: string): AsyncGenerator<SourceRow> {
  for await (const line of readLines(path)) {
    if ('problem' in line) yield line;
    else if (line.text.trim() !== '') yield parseJsonLine(line.line, line.text);
  }
}

function parseJsonLine(line: number, text: string): SourceRow {
  try {
    return { line, value: JSON.parse(text) as unknown };
  } catch {
    // The parser's own words would quote the row, and rows may be confidential.
    return { line, problem: 'is not JSON' };
  }
}

type CsvRecord = { record: string[]; info: { lines: number } };
type CsvError = { code: string; lines?: number };

async function* readCsv(path: string): AsyncGenerator<SourceRow> {
  const { parse, CsvError } = await import('csv-parse');
  const problems: SourceRow[] = [];
  const parser = parse({
    info: true,
    relax_column_count: true,
    skip_empty_lines: true,
    skip_records_with_error: true,
    on_skip: (error) => {
      problems.push(csvProblem(error));
      return undefined;
    },
  });
  const source = Readable.from(csvText(path, problems));
  source.on('error', (error) => parser.destroy(error)).pipe(parser);
  let header: string[] | undefined;
  try {
    for await (const record of parser as AsyncIterable<CsvRecord>) {
      yield* problems.splice(0);
      if (header === undefined) {
        header = record.record;
        if (isOtherSeparator(header)) {
          yield { line: 1, problem: 'separates its fields by other signs than commas' };
          return;
        }
      } else yield csvRow(header, record);
    }
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    problems.push(csvProblem(error));
  }
  yield* problems;
}

/** As spreadsheets write them where a comma is the decimal sign. */
function isOtherSeparator(header: readonly string[]): boolean {
  return header.length === 1 && /[;\t|]/.test(header[0] ?? '');
}

/** The parser knows the line where a record ends; a quoted field may span lines. */
function csvRow(header: readonly string[], { record, info }: CsvRecord): SourceRow {
  const line = info.lines - record.reduce((breaks, field) => breaks + field.split('\n').length - 1, 0);
  if (record.length !== header.length) return { line, problem: 'has another number of fields than the header' };
  return { line, value: Object.fromEntries(header.map((name, at) => [name, record[at]])) };
}

async function* csvText(path: string, problems: SourceRow[]): AsyncGenerator<string> {
  for await (const line of readLines(path)) {
    if ('problem' in line) problems.push(line);
    // An unusable line stays as an empty one, so that the lines after it keep their numbers.
    yield 'problem' in line ? '\n' : `${line.text}\n`;
  }
}

function csvProblem(error: CsvError | undefined): SourceRow {
  const line = error?.lines ?? 1;
  if (error?.code === 'CSV_QUOTE_NOT_CLOSED') return { line, problem: 'a quoted field is never closed' };
  return { line, problem: 'is not CSV (a quote in an unquoted field?)' };
}

/** Rows are read a slice at a time: a row group may hold more than fits in memory as objects. */
const parquetSlice = 10_000;

async function* readParquet(path: string): AsyncGenerator<SourceRow> {
  const { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } = await import('hyparquet');
  const { compressors } = await import('hyparquet-compressors');
  let row = 0;
  try {
    const file = await asyncBufferFromFile(path);
    const metadata = await parquetMetadataAsync(file);
    const rows = Number(metadata.num_rows);
    while (row < rows) {
      const rowEnd = Math.min(row + parquetSlice, rows);
      const slice = await parquetReadObjects({ file, metadata, compressors, rowStart: row, rowEnd });
      for (const value of slice) yield { line: (row += 1), value };
    }
  } catch {
    // hyparquet throws plain errors without a code, on a file that is cut short or is something else.
    yield { line: row + 1, problem: 'cannot be read as Parquet (cut short, encrypted, or not Parquet)' };
  }
}
