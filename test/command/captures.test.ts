import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect, it, onTestFinished } from 'vitest';

import { journalFile, rotateCaptures } from '../../src/capture/store.js';
import { openCaptureJournal } from '../../src/ledger/captures.js';
import { waitingRow } from '../unit/capture/row-example.js';
import { mlx, mlxJson } from './mlx.js';

/** A project with two captured answers of acme and one of nobody in particular. */
async function project(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'mlx-captures-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, 'mlx.yaml'), '');
  const captures = join(folder, '.mlx', 'captures');
  const journal = openCaptureJournal(journalFile(captures));
  const startedAtMs = Date.now();
  journal.insert([
    waitingRow({ startedAtMs }),
    waitingRow({ startedAtMs, requestId: 'req_2', finishReason: 'length' }),
    waitingRow({ startedAtMs, requestId: 'req_3', tenant: null, route: 'other', request: '{"messages":[]}' }),
  ]);
  await rotateCaptures(captures, journal, startedAtMs, true);
  journal.close();
  return folder;
}

it('mlx data capture counts what there is, and writes rows that a recipe learns from', async () => {
  const folder = await project();
  const { stdout, status } = await mlx(['data', 'capture', '--dry-run', '--out', 'data/week.jsonl'], { folder });
  expect(status).toBe(0);
  expect(stdout).toMatchInlineSnapshot(`
    "route    captured
    support         2
    other           1

    1 rows to learn from. Nothing was written; --out FILE writes them.
    Left out:
      1 not ended as --finish-reason says
      1 without a question and answer in turn
    "
  `);
  expect(existsSync(join(folder, 'data', 'week.jsonl'))).toBe(false);
  const { value } = await mlxJson(['data', 'capture', '--route', 'support', '--out', 'data/week.jsonl'], { folder });
  expect(value).toEqual({
    ...{
      out: 'data/week.jsonl',
      captured: 2,
      by_route: { support: 2 },
      rows: 1,
      duplicates: 0,
      unfinished: 1,
      unusable: {},
    },
  });
  expect(JSON.parse(readFileSync(join(folder, 'data', 'week.jsonl'), 'utf8'))).toEqual({
    messages: [
      { role: 'user', content: 'Grüße 🙂' },
      { role: 'assistant', content: 'Hello' },
    ],
  });
  const again = await mlx(['data', 'capture', '--out', 'data/week.jsonl'], { folder });
  expect(again).toMatchObject({ status: 2, stderr: expect.stringContaining('FILE_EXISTS') as string });
});

it('mlx data capture says how a route captures when none does', async () => {
  const folder = await project();
  const { stdout } = await mlx(['data', 'capture', '--route', 'else'], { folder });
  expect(stdout).toContain('capture: {}');
});

it('mlx data forget deletes the rows of a tenant when it may, and only those', async () => {
  const folder = await project();
  const forget = ['data', 'forget', '--tenant', 'acme'];
  expect((await mlx([...forget, '--dry-run'], { folder })).stdout).toBe(
    'Nothing was deleted. There are 2 captured answers of acme.\n',
  );
  expect(await mlx(forget, { folder })).toMatchObject({ status: 2 });
  expect((await mlxJson([...forget, '--yes'], { folder })).value).toEqual({
    tenant: 'acme',
    found: 2,
    rows: 2,
    files: 1,
  });
  expect((await mlx(forget, { folder })).stdout).toBe('Nothing was captured of acme.\n');
  expect((await mlxJson(['data', 'capture'], { folder })).value).toMatchObject({ captured: 1, by_route: { other: 1 } });
  expect(await mlx(['data', 'forget'], { folder })).toMatchObject({ status: 2 });
});

it('mlx gc deletes captured traffic that is older than mlx.yaml says', async () => {
  const folder = await project();
  writeFileSync(join(folder, 'mlx.yaml'), 'gateway: { capture_days: 1 }');
  expect((await mlx(['gc', '--dry-run'], { folder })).stdout).toContain('Nothing to delete');
  const captures = join(folder, '.mlx', 'captures');
  const old = join(captures, '20200101T000000Z-20200101T010000Z-0a.parquet');
  writeFileSync(old, 'any');
  expect((await mlx(['gc', '--yes'], { folder })).stdout).toContain('Deleted one thing');
  expect(existsSync(old)).toBe(false);
});

it('mlx data capture writes no empty file, and says so by its status', async () => {
  const folder = await project();
  const capture = ['data', 'capture', '--finish-reason', 'never', '--out', 'data/none.jsonl'];
  const { stdout, status } = await mlx(capture, { folder });
  expect(status).toBe(1);
  expect(stdout).toContain('0 rows to learn from. Nothing was written.');
  expect(existsSync(join(folder, 'data', 'none.jsonl'))).toBe(false);
});
