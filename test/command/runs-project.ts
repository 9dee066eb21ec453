// A project whose ledger holds ended runs with their files, without any training.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { onTestFinished } from 'vitest';

import { projectPaths } from '../../src/config/paths.js';
import { recordDatasets, recordMetrics, recordParams } from '../../src/ledger/metrics.js';
import { openLedger, type Ledger } from '../../src/ledger/open.js';
import { insertRun, updateRun, type RunChange } from '../../src/ledger/runs.js';
import { runFolder } from '../../src/training/run-folder.js';

/** The clock of these tests stands here. */
export const now = Date.parse('2026-11-20T12:00:00Z');

export type Place = { folder: string; ledger: Ledger; runs: string };

export function project(): Place {
  const folder = mkdtempSync(join(tmpdir(), 'mlx-runs-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, 'mlx.yaml'), 'engine: host\n');
  const paths = projectPaths(folder, { HOME: folder });
  return { folder, ledger: openLedger(paths.ledgerFile), runs: paths.runs };
}

/** A run of some minutes ago; `losses` are its steps. */
export function addRun(
  place: Place,
  id: string,
  minutesAgo: number,
  changes: RunChange = {},
  exactMatch = 0.8,
  r = '16',
): void {
  const { ledger } = place;
  const startedAtMs = now - minutesAgo * 60_000;
  insertRun(ledger, {
    id,
    recipe: 'tickets',
    recipeFile: 'recipes/tickets.yaml',
    method: 'lora',
    baseModel: 'mlx/demo-base',
    baseCommit: 'c0ffee00',
    seed: 42,
    engine: 'host',
    owner: null,
    startedAtMs,
  });
  recordParams(ledger, id, { model: 'tickets', 'lora.r': r, 'trainer.learning_rate': '0.002' });
  recordDatasets(ledger, id, [{ split: 'train', sources: 'data/tickets.jsonl', rows: 1800, sha256: 'a'.repeat(64) }]);
  const metric = (key: string, step: number, value: number) => ({ key, step, value, recordedAtMs: startedAtMs });
  recordMetrics(ledger, id, [
    ...Array.from({ length: 40 }, (_, index) => metric('train/loss', index + 1, 3 * Math.exp(-index / 12))),
    metric('held_out/base/loss', 0, 3.47),
    metric('held_out/base/perplexity', 0, 32.1),
    metric('held_out/base/exact_match', 0, 0),
    metric('held_out/tuned/loss', 40, 0.412),
    metric('held_out/tuned/perplexity', 40, 1.51),
    metric('held_out/tuned/exact_match', 40, exactMatch),
    metric('train/duration_ms', 40, 60_000),
    metric('duration_ms', 0, 90_000),
    metric('wrapper_ms', 0, 420),
    metric('peak_memory_gib', 40, 0.9),
  ]);
  updateRun(ledger, id, {
    state: 'finished',
    endedAtMs: startedAtMs + 90_000,
    seal: 'namespace',
    device: 'cpu: AMD EPYC',
    steps: 40,
    tokens: 50_000,
    adapterSha256: 'f'.repeat(64),
    ...changes,
  });
  const folder = runFolder(place.runs, id);
  mkdirSync(folder.adapter, { recursive: true });
  writeFileSync(join(folder.adapter, 'adapter_model.safetensors'), 'w'.repeat(2048));
  writeFileSync(folder.log, 'loading\nstep 1\nstep 2\n');
  writeFileSync(
    folder.examples,
    JSON.stringify([
      {
        row: 3,
        prompt: 'My \u001b[31minvoice\u001b[0m is wrong',
        expected: '{"a":1}',
        base: 'My My My',
        tuned: '{"a":1}',
      },
    ]),
  );
}

export function failed(): RunChange {
  return {
    state: 'failed',
    adapterSha256: null,
    errorCode: 'OUT_OF_MEMORY',
    errorMessage: 'The trainer ran out of memory.',
    errorHint: 'Lower what it needs.',
  };
}
