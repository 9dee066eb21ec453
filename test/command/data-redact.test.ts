import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { describe, expect, it, onTestFinished } from 'vitest';

import { mlx, mlxJson } from './mlx.js';

const rows = [
  {
    messages: [
      { role: 'user', content: 'I am jane@example.com, call 415-555-2671' },
      { role: 'assistant', content: 'Hello jane@example.com' },
    ],
  },
  {
    messages: [
      { role: 'user', content: 'nothing here' },
      { role: 'assistant', content: 'indeed' },
    ],
    ssn: 536904399,
  },
];

function scratch(text = rows.map((row) => `${JSON.stringify(row)}\n`).join('')): string {
  const folder = mkdtempSync(join(tmpdir(), 'mlx-redact-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, 'train.jsonl'), text);
  return folder;
}

describe('mlx data redact', () => {
  it('writes the rows with placeholders that are the same within a row, and counts what it found', async () => {
    const folder = scratch();
    const { stdout, status } = await mlx(['data', 'redact', 'train.jsonl'], { folder });
    expect(status).toBe(0);
    expect(stdout).toMatchInlineSnapshot(`
      "kind   found
      ssn        1
      email      2
      phone      1

      2 of 2 rows hold identifiers. Written: train.redacted.jsonl
      "
    `);
    const written = readFileSync(join(folder, 'train.redacted.jsonl'), 'utf8').trim().split('\n');
    expect(written.map((line) => JSON.parse(line) as unknown)).toEqual([
      {
        messages: [
          { role: 'user', content: 'I am [EMAIL_1], call [PHONE_1]' },
          { role: 'assistant', content: 'Hello [EMAIL_1]' },
        ],
      },
      {
        messages: [
          { role: 'user', content: 'nothing here' },
          { role: 'assistant', content: 'indeed' },
        ],
        ssn: '[SSN_1]',
      },
    ]);
    expect(statSync(join(folder, 'train.redacted.jsonl')).mode & 0o777).toBe(0o600);
  });

  it('keeps to the kinds that are asked for, and writes a report without any value', async () => {
    const folder = scratch();
    const argv = ['data', 'redact', 'train.jsonl', '--kinds', 'email', '--out', 'out.jsonl', '--report', 'report.json'];
    const { value } = await mlxJson(argv, { folder });
    expect(value).toEqual({ file: 'train.jsonl', out: 'out.jsonl', rows: 2, rows_changed: 1, found: { email: 2 } });
    expect(readFileSync(join(folder, 'out.jsonl'), 'utf8')).toContain('415-555-2671');
    const report = readFileSync(join(folder, 'report.json'), 'utf8');
    expect(JSON.parse(report)).toEqual({ rows: 2, rows_changed: 1, found: { email: 2 } });
  });

  it('only counts in a dry run', async () => {
    const folder = scratch();
    const { value } = await mlxJson(['data', 'redact', 'train.jsonl', '--dry-run'], { folder });
    expect(value).toMatchObject({ out: null, rows_changed: 2 });
    expect(readdirSync(folder)).toEqual(['train.jsonl']);
  });

  it('never writes over a file', async () => {
    const folder = scratch();
    writeFileSync(join(folder, 'kept.jsonl'), 'precious');
    const { stderr, status } = await mlx(['data', 'redact', 'train.jsonl', '--out', 'kept.jsonl'], { folder });
    expect(status).toBe(2);
    expect(stderr).toContain('FILE_EXISTS');
    expect(readFileSync(join(folder, 'kept.jsonl'), 'utf8')).toBe('precious');
  });

  it('leaves nothing behind when a row cannot be read, and quotes none', async () => {
    const folder = scratch('{"text": "jane@example.com"}\n{"text": "jane@example.com"\n[1]\n');
    const { stderr, status } = await mlx(['data', 'redact', 'train.jsonl'], { folder });
    expect(status).toBe(2);
    expect(stderr).toContain('train.jsonl:2  is no JSON object');
    expect(stderr).toContain('train.jsonl:3  is no JSON object');
    expect(stderr).not.toContain('jane');
    expect(existsSync(join(folder, 'train.redacted.jsonl'))).toBe(false);
    expect(readdirSync(folder)).toEqual(['train.jsonl']);
  });

  it.each([
    [['--kinds', 'email,fax'], "there is no kind 'fax'"],
    [['--regions', 'US,XX'], "there is no country 'XX'"],
  ])('names what it does not know: %s', async (flags, words) => {
    const { stderr, status } = await mlx(['data', 'redact', 'train.jsonl', ...flags], { folder: scratch() });
    expect(status).toBe(2);
    expect(stderr).toContain(words);
  });
});
