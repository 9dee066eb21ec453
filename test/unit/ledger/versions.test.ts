import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, test } from 'vitest';

import { openLedger, type Ledger } from '../../../src/ledger/open.js';
import { endPromotion, listPromotions, startPromotion } from '../../../src/ledger/promotions.js';
import { insertRun } from '../../../src/ledger/runs.js';
import { findVersion, insertVersion, nextVersion, setAlias } from '../../../src/ledger/versions.js';

let folder: string;
let ledger: Ledger;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'mlx-ledger-'));
  ledger = openLedger(join(folder, 'ledger.db'));
  const run = {
    recipe: 't',
    recipeFile: 't',
    method: 'lora',
    baseModel: 'b',
    baseCommit: 'c',
    seed: 1,
    engine: 'host',
    owner: null,
    startedAtMs: 1,
  } as const;
  insertRun(ledger, { id: 'run-1', ...run });
  for (const version of [1, 2]) addVersion(version);
  setAlias(ledger, { model: 'tickets', alias: 'production', version: 1, updatedAtMs: 1 });
});

afterEach(() => {
  ledger.close();
  rmSync(folder, { recursive: true });
});

function addVersion(version: number): void {
  insertVersion(ledger, {
    model: 'tickets',
    version,
    digest: `sha256:${version}`,
    engine: 'host',
    runId: 'run-1',
    baseModel: 'b',
    baseCommit: 'c',
    settings: '{}',
    sizeBytes: 1,
    createdAtMs: version,
  });
}

test.each([
  ['tickets', 2],
  ['tickets:1', 1],
  ['tickets:v2', 2],
  ['tickets@production', 1],
])('%s names version %i', (reference, version) => {
  expect(findVersion(ledger, reference).version).toBe(version);
});

test.each([
  ['tickets:9', 'NOT_FOUND', 'tickets:2'],
  ['tickets@staging', 'NOT_FOUND', 'tickets@production'],
  ['tickts:1', 'NOT_FOUND', 'Did you mean tickets?'],
  ['Tickets/1', 'USAGE', 'NAME:VERSION'],
])('%s is refused with %s and the nearest names', (reference, code, hint) => {
  expect(() => findVersion(ledger, reference)).toThrowError(
    expect.objectContaining({ code, hint: expect.stringContaining(hint) }),
  );
});

test('version numbers go up by one for each model', () => {
  expect(nextVersion(ledger, 'tickets')).toBe(3);
  expect(nextVersion(ledger, 'other')).toBe(1);
});

test('a version number is never used twice', () => {
  expect(() => addVersion(2)).toThrow();
});

test('releases are counted without restarts of the same version, and with what failed', () => {
  const start = {
    kind: 'promote',
    model: 'tickets',
    alias: 'production',
    actor: 'ada',
    reason: null,
    owner: null,
  } as const;
  const add = (fromVersion: number | null, toVersion: number, state: 'promoted' | 'failed'): number => {
    const id = startPromotion(ledger, { ...start, fromVersion, toVersion, startedAtMs: 5 });
    endPromotion(ledger, id, { state, endedAtMs: 7, errorCode: null, errorMessage: null });
    return id;
  };
  const first = add(null, 1, 'promoted');
  const failed = add(1, 2, 'failed');
  add(1, 1, 'promoted');
  expect(listPromotions(ledger, { restarts: false, limit: 2 }).map(({ id }) => id)).toEqual([failed, first]);
  expect(listPromotions(ledger, { limit: 9 })).toHaveLength(3);
});

test('a promotion is in the ledger before anything happens, and keeps its end', () => {
  const start = {
    kind: 'promote',
    model: 'tickets',
    alias: 'production',
    fromVersion: 1,
    toVersion: 2,
    actor: 'ada',
    reason: 'better',
    owner: '1:2:3',
    startedAtMs: 5,
  } as const;
  const id = startPromotion(ledger, start);
  expect(listPromotions(ledger, { state: 'started', limit: 9 })).toHaveLength(1);
  endPromotion(ledger, id, { state: 'promoted', endedAtMs: 7, errorCode: null, errorMessage: null });
  expect(listPromotions(ledger, { model: 'tickets', limit: 9 })).toMatchObject([
    { id, state: 'promoted', owner: null, endedAtMs: 7, actor: 'ada' },
  ]);
});
