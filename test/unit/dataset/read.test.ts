import { createWriteStream, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';

import { describe, expect, it } from 'vitest';

import type { DataFormat } from '../../../src/dataset/files.js';
import { longestLineBytes, readLines } from '../../../src/dataset/lines.js';
import { readRows, type SourceRow } from '../../../src/dataset/read.js';
import { scratchFolder } from '../engine/scratch.js';

const fixtures = join(import.meta.dirname, '..', '..', 'fixtures', 'dataset');

async function rowsOf(contents: string | Buffer, format: DataFormat): Promise<SourceRow[]> {
  const path = join(scratchFolder(), `rows.${format}`);
  writeFileSync(path, contents);
  return all(readRows({ path, shown: 'rows', format }));
}

async function all<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const list: Item[] = [];
  for await (const item of items) list.push(item);
  return list;
}

describe('lines', () => {
  it('are the same with LF and CRLF, with and without a byte order mark and a last line break', async () => {
    const path = join(scratchFolder(), 'lines');
    for (const text of ['a\nb\n', 'a\r\nb\r\n', '\uFEFFa\nb']) {
      writeFileSync(path, text);
      const lines = await all(readLines(path));
      expect(lines).toEqual([
        { line: 1, text: 'a' },
        { line: 2, text: 'b' },
      ]);
    }
  });

  it('may be cut anywhere by a read: characters of several bytes stay whole', async () => {
    const path = join(scratchFolder(), 'lines');
    const long = 'é'.repeat(600_000);
    writeFileSync(path, `x${long}\ny${long}\n`);
    const lines = await all(readLines(path));
    expect(lines).toEqual([
      { line: 1, text: `x${long}` },
      { line: 2, text: `y${long}` },
    ]);
  });

  it('that are not UTF-8 are named, and the next one is read', async () => {
    const path = join(scratchFolder(), 'lines');
    writeFileSync(path, Buffer.concat([Buffer.from('a\n'), Buffer.from([0xc3, 0x28]), Buffer.from('\nb\n')]));
    expect(await all(readLines(path))).toEqual([
      { line: 1, text: 'a' },
      { line: 2, problem: 'is not UTF-8 text' },
      { line: 3, text: 'b' },
    ]);
  });

  it('that are endless are named without being kept, and the next one is read', async () => {
    const path = join(scratchFolder(), 'lines');
    const stream = createWriteStream(path);
    const mebibyte = 'x'.repeat(1024 * 1024);
    for (let written = 0; written <= longestLineBytes; written += mebibyte.length) stream.write(mebibyte);
    stream.end('\nb\n');
    await finished(stream);
    expect(await all(readLines(path))).toEqual([
      { line: 1, problem: 'is longer than 16 MiB' },
      { line: 2, text: 'b' },
    ]);
  });
});

describe('JSONL', () => {
  it('is read line by line; blank lines are none', async () => {
    expect(await rowsOf('{"a":1}\n\n  \n{"a":2}', 'jsonl')).toEqual([
      { line: 1, value: { a: 1 } },
      { line: 4, value: { a: 2 } },
    ]);
  });

  it('names a line that is not JSON without quoting it', async () => {
    const [row] = await rowsOf('{"ssn": 12-34}\n', 'jsonl');
    expect(row).toEqual({ line: 1, problem: 'is not JSON' });
  });

  it('may be empty', async () => {
    expect(await rowsOf('', 'jsonl')).toEqual([]);
  });
});

describe('CSV', () => {
  it('with other separators than commas is said to have them, once', async () => {
    const problem = 'separates its fields by other signs than commas';
    for (const sign of [';', '\t', '|']) {
      const text = `prompt${sign}completion\na${sign}b\nc${sign}d\n`;
      expect(await rowsOf(text, 'csv')).toEqual([{ line: 1, problem }]);
    }
  });

  it('has rows by its header, quoted fields over several lines, and the line where each begins', async () => {
    const text = '\uFEFFprompt,completion\r\n"a\r\nb","say ""hi"""\r\nc,d\r\n';
    expect(await rowsOf(text, 'csv')).toEqual([
      { line: 2, value: { prompt: 'a\nb', completion: 'say "hi"' } },
      { line: 4, value: { prompt: 'c', completion: 'd' } },
    ]);
  });

  it('names a record with another number of fields, and goes on', async () => {
    expect(await rowsOf('prompt,completion\na,b\nonly one\nc,d\n', 'csv')).toEqual([
      { line: 2, value: { prompt: 'a', completion: 'b' } },
      { line: 3, problem: 'has another number of fields than the header' },
      { line: 4, value: { prompt: 'c', completion: 'd' } },
    ]);
  });

  it('names a quote that is never closed', async () => {
    const rows = await rowsOf('prompt,completion\na,b\n"c,d\ne,f\n', 'csv');
    expect(rows[0]).toEqual({ line: 2, value: { prompt: 'a', completion: 'b' } });
    expect(rows.at(-1)).toMatchObject({ problem: 'a quoted field is never closed' });
  });

  it('names a line that is not UTF-8', async () => {
    const bytes = Buffer.concat([
      Buffer.from('prompt,completion\na,b\nc,'),
      Buffer.from([0xff]),
      Buffer.from('\ne,f\n'),
    ]);
    const rows = await rowsOf(bytes, 'csv');
    expect(rows).toContainEqual({ line: 3, problem: 'is not UTF-8 text' });
    expect(rows.filter((row) => 'value' in row)).toHaveLength(2);
  });
});

describe('Parquet', () => {
  it('is read with nested messages, several row groups and zstd', async () => {
    const path = join(fixtures, 'messages-zstd.parquet');
    const rows = await all(readRows({ path, shown: 'rows', format: 'parquet' }));
    expect(rows).toHaveLength(5);
    expect(rows[4]).toMatchObject({
      line: 5,
      value: {
        messages: [
          { role: 'user', content: 'Grüße 4' },
          { role: 'assistant', content: 'answer 4' },
        ],
      },
    });
  });

  it('is read with snappy', async () => {
    const path = join(fixtures, 'pairs-snappy.parquet');
    const rows = await all(readRows({ path, shown: 'rows', format: 'parquet' }));
    expect(rows).toEqual([
      { line: 1, value: { prompt: 'a', completion: 'x' } },
      { line: 2, value: { prompt: 'b', completion: '' } },
    ]);
  });

  it('that is something else, empty or cut short is named', async () => {
    for (const contents of ['', 'hello, this is not Parquet at all', Buffer.from('PAR1 cut PAR1')]) {
      const [row] = await rowsOf(contents, 'parquet');
      expect(row).toMatchObject({
        line: 1,
        problem: 'cannot be read as Parquet (cut short, encrypted, or not Parquet)',
      });
    }
  });
});
