// Tables for people: plain columns that fit the terminal. What does not fit is cut where a column allows it, then dropped, the least important
// column first.
// Our own 50 lines: loading cli-table3 costs `runs ls` 12 ms of the 50 that it may take more than Node alone.
import { stripVTControlCharacters } from 'node:util';

import pc from 'picocolors';

export type Column<Row> = {
  title: string;
  cell: (row: Row) => string;
  align?: 'left' | 'right';
  /** Columns with a larger number go first when the terminal is narrow; without one a column always stays. */
  dropFirst?: number;
  /** A text, without colours, that is cut down to so much before any column is dropped. */
  cutTo?: number;
};

const gap = 2;

export function renderTable<Row>(columns: readonly Column<Row>[], rows: readonly Row[], width: number): string {
  const shown = fittingColumns(columns, rows, width);
  const widths = widthsWithin(shown, rows, width);
  const line = (cells: string[]): string =>
    cells
      .map((cell, index) => pad(cut(cell, widths[index] ?? 0), widths[index] ?? 0, shown[index]?.align))
      .join(' '.repeat(gap))
      .trimEnd();
  return [
    line(shown.map(({ title }) => pc.dim(title))),
    ...rows.map((row) => line(shown.map(({ cell }) => cell(row)))),
  ].join('\n');
}

function fittingColumns<Row>(columns: readonly Column<Row>[], rows: readonly Row[], width: number): Column<Row>[] {
  const shown = [...columns];
  const total = (): number => shown.reduce((sum, column) => sum + gap + leastWidth(column, rows), -gap);
  while (total() > width) {
    const least = Math.max(...shown.map(({ dropFirst }) => dropFirst ?? 0));
    if (least === 0) return shown;
    shown.splice(
      shown.findIndex(({ dropFirst }) => dropFirst === least),
      1,
    );
  }
  return shown;
}

function widthsWithin<Row>(shown: readonly Column<Row>[], rows: readonly Row[], width: number): number[] {
  const widths = shown.map((column) => columnWidth(column, rows));
  let over = widths.reduce((sum, own) => sum + gap + own, -gap) - width;
  return shown.map((column, index) => {
    const own = widths[index] ?? 0;
    const less = Math.min(Math.max(0, over), own - leastWidth(column, rows));
    over -= less;
    return own - less;
  });
}

function leastWidth<Row>(column: Column<Row>, rows: readonly Row[]): number {
  return Math.min(columnWidth(column, rows), column.cutTo ?? Infinity);
}

function columnWidth<Row>({ title, cell }: Column<Row>, rows: readonly Row[]): number {
  return rows.reduce((widest, row) => Math.max(widest, visibleLength(cell(row))), title.length);
}

function pad(cell: string, width: number, align: 'left' | 'right' = 'left'): string {
  const space = ' '.repeat(width - visibleLength(cell));
  return align === 'right' ? space + cell : cell + space;
}

function cut(cell: string, width: number): string {
  return visibleLength(cell) <= width ? cell : `${cell.slice(0, Math.max(0, width - 1)).trimEnd()}…`;
}

/** Without colour codes. Ids, figures and paths: letters that take two places are not expected here. */
function visibleLength(text: string): number {
  return stripVTControlCharacters(text).length;
}
