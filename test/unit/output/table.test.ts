import { describe, expect, it } from 'vitest';

import { renderTable, type Column } from '../../../src/output/table.js';

type Row = { name: string; loss: string; recipe: string };
const columns: Column<Row>[] = [
  { title: 'run', cell: ({ name }) => name },
  { title: 'loss', cell: ({ loss }) => loss, align: 'right', dropFirst: 1 },
  { title: 'recipe', cell: ({ recipe }) => recipe, dropFirst: 2 },
];
const rows: Row[] = [
  { name: 'tickets-000001', loss: '3.47', recipe: 'tickets' },
  { name: 'a', loss: '12.1', recipe: 'tickets-better' },
];

describe('a table', () => {
  it('lines columns up and leaves no space at the end of a line', () => {
    expect(renderTable(columns, rows, 80)).toBe(
      ['run             loss  recipe', 'tickets-000001  3.47  tickets', 'a               12.1  tickets-better'].join(
        '\n',
      ),
    );
  });

  it('drops the least important columns until it fits', () => {
    expect(renderTable(columns, rows, 30)).toBe(
      ['run             loss', 'tickets-000001  3.47', 'a               12.1'].join('\n'),
    );
    expect(renderTable(columns, rows, 5)).toBe(['run', 'tickets-000001', 'a'].join('\n'));
  });

  it('cuts what may be cut before it drops a column, and then no further', () => {
    const cutting = columns.map((column) => (column.title === 'recipe' ? { ...column, cutTo: 8 } : column));
    expect(renderTable(cutting, rows, 32).split('\n')[2]).toBe('a               12.1  tickets-b…');
    expect(renderTable(cutting, rows, 30).split('\n')[2]).toBe('a               12.1  tickets…');
    expect(renderTable(cutting, rows, 29).split('\n')[2]).toBe('a               12.1');
    expect(renderTable(cutting, rows, Infinity)).toBe(renderTable(columns, rows, Infinity));
  });

  it('does not count colour codes as width', () => {
    const green = rows.map((row) => ({ ...row, loss: `\u001b[32m${row.loss}\u001b[39m` }));
    expect(renderTable(columns, green, 80).split('\n')[2]).toBe(
      'a               \u001b[32m12.1\u001b[39m  tickets-better',
    );
  });
});
