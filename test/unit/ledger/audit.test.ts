import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, test } from 'vitest';

import { appendAudit, verifyAudit } from '../../../src/ledger/audit.js';
import { recordDatasets, recordMetrics } from '../../../src/ledger/metrics.js';
import { openLedger, type Ledger } from '../../../src/ledger/open.js';
import { endPromotion, startPromotion } from '../../../src/ledger/promotions.js';
import { insertRun } from '../../../src/ledger/runs.js';
import { insertVersion, setAlias } from '../../../src/ledger/versions.js';

let folder: string;
let ledger: Ledger;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'mlx-audit-'));
  ledger = openLedger(join(folder, 'ledger.db'));
  insertRun(ledger, {
    id: 'run-1',
    recipe: 't',
    recipeFile: 't',
    method: 'lora',
    baseModel: 'b',
    baseCommit: 'c',
    seed: 1,
    engine: 'host',
    owner: null,
    startedAtMs: 1,
  });
  recordMetrics(ledger, 'run-1', [{ key: 'held_out/tuned/loss', step: 1, value: 0.5, recordedAtMs: 1 }]);
  recordDatasets(ledger, 'run-1', [{ split: 'held_out', sources: 'x', rows: 9, sha256: 'abc' }]);
  for (const version of [1, 2]) release(version);
});

afterEach(() => {
  ledger.close();
  rmSync(folder, { recursive: true });
});

function release(version: number): void {
  const row = {
    model: 'tickets',
    version,
    digest: `sha256:${version}`,
    engine: 'host',
    runId: 'run-1',
    baseModel: 'b',
    baseCommit: 'c',
    settings: '{}',
    sizeBytes: 1,
  } as const;
  insertVersion(ledger, { ...row, createdAtMs: version });
  const start = {
    kind: 'promote',
    model: 'tickets',
    alias: 'production',
    fromVersion: version - 1,
    toVersion: version,
    actor: 'ada',
    reason: null,
    owner: null,
  } as const;
  const id = startPromotion(ledger, { ...start, startedAtMs: version });
  setAlias(ledger, { model: 'tickets', alias: 'production', version, updatedAtMs: version });
  endPromotion(ledger, id, { state: 'promoted', endedAtMs: version, errorCode: null, errorMessage: null });
}

test('an untouched ledger verifies', () => {
  expect(verifyAudit(ledger)).toMatchObject({ entries: 8, findings: [] });
});

test('an entry of an earlier mlx, which says nothing of scores, verifies', () => {
  for (const table of ['promotions', 'aliases', 'audit_log']) ledger.database.exec(`DELETE FROM ${table}`);
  ledger.database.exec('DELETE FROM model_versions WHERE version = 2');
  appendAudit(
    ledger,
    'version',
    { model: 'tickets', version: 1, digest: 'sha256:1', runId: 'run-1', baseCommit: 'c' },
    1,
  );
  expect(verifyAudit(ledger)).toMatchObject({ entries: 1, findings: [] });
});

test.each([
  ['a promotion', "UPDATE promotions SET actor = 'eve' WHERE id = 1", 'promotion 1'],
  ['an outcome', "UPDATE promotions SET state = 'failed' WHERE id = 2", 'promotion 2'],
  ['an alias', "UPDATE aliases SET version = 1 WHERE alias = 'production'", 'alias tickets@production'],
  ['a digest', "UPDATE model_versions SET digest = 'sha256:evil' WHERE version = 1", 'version tickets:1'],
  ['a score', "UPDATE latest_metrics SET value = 0.1 WHERE key = 'held_out/tuned/loss'", 'scores of tickets:1'],
  ['which rows were scored', "UPDATE run_datasets SET sha256 = 'easier'", 'scores of tickets:2'],
  ['an entry', `UPDATE audit_log SET body = replace(body, 'ada', 'eve') WHERE sequence = 2`, 'entry 2'],
  ['the body of an entry to nonsense', `UPDATE audit_log SET body = 'x' WHERE sequence = 3`, 'entry 3'],
  ['an entry away', 'DELETE FROM audit_log WHERE sequence = 5', 'entry 5 is missing'],
  ['the last entry away', 'DELETE FROM audit_log WHERE sequence = 8', 'promotion 2'],
  ['a promotion away', 'DELETE FROM promotions WHERE id = 1', 'promotion 1 was deleted'],
])('somebody who edits %s is found', (_what, edit, finding) => {
  ledger.database.exec(edit);
  expect(
    verifyAudit(ledger)
      .findings.map(({ what }) => what)
      .join('\n'),
  ).toContain(finding);
});

test('every single edited byte of the chain is found', () => {
  const entries = ledger.database.prepare('SELECT sequence, body FROM audit_log').all() as {
    sequence: number;
    body: string;
  }[];
  for (const { sequence, body } of entries) {
    for (let index = 0; index < body.length; index += 7) {
      const edited = `${body.slice(0, index)}${body[index] === '1' ? '2' : '1'}${body.slice(index + 1)}`;
      ledger.database.prepare('UPDATE audit_log SET body = ? WHERE sequence = ?').run(edited, sequence);
      expect(verifyAudit(ledger).findings, `entry ${sequence}, byte ${index}`).not.toEqual([]);
    }
    ledger.database.prepare('UPDATE audit_log SET body = ? WHERE sequence = ?').run(body, sequence);
  }
});

test('a chain that was written anew does not hold the head that was kept', () => {
  const { headHash } = verifyAudit(ledger);
  release(3);
  expect(verifyAudit(ledger, headHash.slice(0, 16)).findings).toEqual([]);
  const kept = 'f'.repeat(64);
  expect(verifyAudit(ledger, kept).findings.map(({ what }) => what)).toEqual([
    `no entry has the hash ${kept} that was kept: the chain was written anew`,
  ]);
});
