// Tables for people: plain columns that fit the terminal. What does not fit is dropped, the least important column first.
import { stripVTControlCharacters } from 'node:util';

import Table from 'cli-table3';
import pc from 'picocolors';

export type Column<Row> = {
  title: string;
  cell: (row: Row) => string;
  align?: 'left' | 'right';
  /** Columns with a larger number go first when the terminal is narrow; without one a column always stays. */
  dropFirst?: number;
};

const gap = 2;

export function renderTable<Row>(columns: readonly Column<Row>[], rows: readonly Row[], width: number): string {
  const shown = fittingColumns(columns, rows, width);
  const table = new Table({
    head: shown.map(({ title }) => pc.dim(title)),
    colAligns: shown.map(({ align }) => align ?? 'left'),
    chars: noLines,
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': gap, compact: true },
  });
  table.push(...rows.map((row) => shown.map(({ cell }) => cell(row))));
  return table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
}

function fittingColumns<Row>(columns: readonly Column<Row>[], rows: readonly Row[], width: number): Column<Row>[] {
  const shown = [...columns];
  const total = (): number =>
    shown.reduce(
      (sum, { title, cell }) => sum + gap + Math.max(title.length, ...rows.map((row) => visible(cell(row)))),
      -gap,
    );
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

/** Columns that a text takes, without colour codes. Wide letters are cli-table3's business: a guess is enough to choose columns. */
function visible(text: string): number {
  return Math.max(
    ...stripVTControlCharacters(text)
      .split('\n')
      .map((line) => line.length),
  );
}

const noLines = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: '',
};
