import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, expect, test } from 'vitest';

import { MlxError } from '../../../src/errors.js';
import { latestMetrics, metricHistory, recordMetrics, recordParams, runParams } from '../../../src/ledger/metrics.js';
import { openLedger, type Ledger } from '../../../src/ledger/open.js';
import { deleteRun, findRun, insertRun, listRuns, updateRun, type RunChange } from '../../../src/ledger/runs.js';

let folder: string;
let ledger: Ledger;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'mlx-ledger-'));
  ledger = openLedger(join(folder, '.mlx', 'ledger.db'));
});

afterEach(() => {
  ledger.close();
  rmSync(folder, { recursive: true });
});

function addRun(id: string, startedAtMs: number, recipe = 'tickets'): void {
  insertRun(ledger, {
    id,
    recipe,
    recipeFile: `recipes/${recipe}.yaml`,
    method: 'lora',
    baseModel: 'mlx/demo-base',
    baseCommit: 'c0ffee',
    seed: 42,
    engine: 'host',
    owner: '1:2:3',
    startedAtMs,
  });
}

test('a field that a run never changes is refused, not dropped', () => {
  const unknown = { recipeFile: 'other.yaml' } as RunChange;
  expect(() => updateRun(ledger, 'a', unknown)).toThrow();
});

test('a run is found by its id, the beginning of its id, and as the latest', () => {
  addRun('tickets-aaaaaa', 1);
  addRun('tickets-bbbbbb', 2);
  expect(findRun(ledger, 'tickets-aaaaaa').startedAtMs).toBe(1);
  expect(findRun(ledger, 'tickets-b').id).toBe('tickets-bbbbbb');
  expect(findRun(ledger, 'latest').id).toBe('tickets-bbbbbb');
});

test('an id that is the beginning of another id still names its own run', () => {
  addRun('tickets-a', 1);
  addRun('tickets-aa', 2);
  expect(findRun(ledger, 'tickets-a').startedAtMs).toBe(1);
});

test('an ambiguous id names the candidates, an unknown one names what is there', () => {
  addRun('tickets-aaaaaa', 1);
  addRun('tickets-abbbbb', 2);
  expect(caught(() => findRun(ledger, 'tickets-a'))).toMatchObject({
    code: 'AMBIGUOUS',
    message: expect.stringContaining('tickets-abbbbb'),
  });
  expect(caught(() => findRun(ledger, 'nothing'))).toMatchObject({
    code: 'NOT_FOUND',
    hint: expect.stringContaining('tickets-aaaaaa'),
  });
});

test('a wildcard in a reference is text, not a pattern', () => {
  addRun('tickets-aaaaaa', 1);
  expect(caught(() => findRun(ledger, 'tickets-%'))).toMatchObject({ code: 'NOT_FOUND' });
});

test('the newest step wins the latest value, whatever order the steps arrive in', () => {
  addRun('tickets-aaaaaa', 1);
  const at = (step: number, value: number) => ({ key: 'train/loss', step, value, recordedAtMs: step });
  recordMetrics(ledger, 'tickets-aaaaaa', [at(1, 3), at(3, 1), at(2, 2)]);
  expect(latestMetrics(ledger, 'tickets-aaaaaa')).toEqual({ 'train/loss': 1 });
  expect(metricHistory(ledger, 'tickets-aaaaaa', 'train/loss').map((metric) => metric.value)).toEqual([3, 2, 1]);
});

test('runs sort by a metric, best first', () => {
  addRun('tickets-aaaaaa', 1);
  addRun('tickets-bbbbbb', 2);
  recordMetrics(ledger, 'tickets-aaaaaa', [{ key: 'score', step: 0, value: 0.9, recordedAtMs: 1 }]);
  recordMetrics(ledger, 'tickets-bbbbbb', [{ key: 'score', step: 0, value: 0.5, recordedAtMs: 1 }]);
  const ids = listRuns(ledger, { sort: 'score', descending: true, limit: 10 }).map((run) => run.id);
  expect(ids).toEqual(['tickets-aaaaaa', 'tickets-bbbbbb']);
});

test('runs filter by state and recipe', () => {
  addRun('tickets-aaaaaa', 1);
  addRun('notes-bbbbbb', 2, 'notes');
  updateRun(ledger, 'notes-bbbbbb', { state: 'finished', endedAtMs: 9, owner: null });
  expect(
    listRuns(ledger, { state: 'finished', sort: 'started', descending: true, limit: 10 }).map((run) => run.id),
  ).toEqual(['notes-bbbbbb']);
  expect(
    listRuns(ledger, { recipe: 'tickets', sort: 'started', descending: true, limit: 10 }).map((run) => run.id),
  ).toEqual(['tickets-aaaaaa']);
});

test('deleting a run takes its metrics and params with it', () => {
  addRun('tickets-aaaaaa', 1);
  recordParams(ledger, 'tickets-aaaaaa', { seed: '42' });
  recordMetrics(ledger, 'tickets-aaaaaa', [{ key: 'train/loss', step: 1, value: 3, recordedAtMs: 1 }]);
  expect(deleteRun(ledger, 'tickets-aaaaaa')).toBe(false);
  updateRun(ledger, 'tickets-aaaaaa', { state: 'finished' });
  expect(deleteRun(ledger, 'tickets-aaaaaa')).toBe(true);
  expect(runParams(ledger, 'tickets-aaaaaa')).toEqual({});
  expect(latestMetrics(ledger, 'tickets-aaaaaa')).toEqual({});
});

function caught(work: () => unknown): MlxError {
  try {
    work();
  } catch (error) {
    if (error instanceof MlxError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}
