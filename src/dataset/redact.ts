// A JSONL file with its personal identifiers taken out: each becomes a placeholder that is the same within its row.
// What was found is counted, never shown.
import { findIdentifiers, type Detection } from '../privacy/detect.js';
import { rewriteText } from '../privacy/json-text.js';
import { openPlaceholders } from '../privacy/placeholders.js';
import type { Kind } from '../privacy/spans.js';
import type { DataFile } from './files.js';
import { readLines } from './lines.js';
import { writeNewFile } from './new-file.js';
import { collectProblems } from './rows.js';

export type RedactionReport = {
  rows: number;
  rowsChanged: number;
  /** Occurrences of each kind that was looked for. */
  found: Partial<Record<Kind, number>>;
};

/**
 * @param target undefined: only counts
 * @throws MlxError DATA_INVALID with the first bad rows, FILE_EXISTS; nothing is left behind then
 */
export async function redactFile(
  source: DataFile,
  target: string | undefined,
  detection: Detection,
): Promise<RedactionReport> {
  const report: RedactionReport = {
    rows: 0,
    rowsChanged: 0,
    found: Object.fromEntries(detection.kinds.map((kind) => [kind, 0])),
  };
  const lines = redactedLines(source, detection, report);
  if (target === undefined) {
    for await (const line of lines) void line;
    return report;
  }
  await writeNewFile(target, lines);
  return report;
}

async function* redactedLines(source: DataFile, detection: Detection, report: RedactionReport): AsyncGenerator<string> {
  const problems = collectProblems();
  for await (const line of readLines(source.path)) {
    if ('text' in line && line.text.trim() === '') continue;
    const problem = 'problem' in line ? line.problem : isJsonObject(line.text) ? undefined : 'is no JSON object';
    if (problem !== undefined) problems.add({ file: source.shown, line: line.line, message: problem });
    else if ('text' in line) yield `${redactedRow(line.text, detection, report)}\n`;
  }
  problems.throwIfAny('Correct or delete them: each line is one JSON object.');
}

function redactedRow(row: string, detection: Detection, report: RedactionReport): string {
  const placeholders = openPlaceholders();
  placeholders.reserve(row);
  const redacted = rewriteText(row, '', (text, label) => {
    const spans = findIdentifiers(text, detection, label);
    for (const { kind } of spans) report.found[kind] = (report.found[kind] ?? 0) + 1;
    return placeholders.replace(text, spans);
  });
  report.rows += 1;
  if (redacted !== row) report.rowsChanged += 1;
  return redacted;
}

function isJsonObject(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}
