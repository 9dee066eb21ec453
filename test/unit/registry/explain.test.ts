// Which version a request was meant for that came while another one was being put live.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { beforeEach, expect, onTestFinished, test } from 'vitest';

import { openLedger, type Ledger } from '../../../src/ledger/open.js';
import { beginStep, endStep } from '../../../src/ledger/promotion-steps.js';
import { endPromotion, startPromotion } from '../../../src/ledger/promotions.js';
import { insertRun } from '../../../src/ledger/runs.js';
import type { TrafficRequest } from '../../../src/ledger/traffic-request.js';
import { insertVersion } from '../../../src/ledger/versions.js';
import { explainRequest } from '../../../src/registry/explain.js';

let ledger: Ledger;
let second: number;

/** Version 1 is live from 20 on; the promotion of version 2 goes on from 50 to 90. */
beforeEach(() => {
  const folder = mkdtempSync(join(tmpdir(), 'mlx-explain-'));
  ledger = openLedger(join(folder, 'ledger.db'));
  onTestFinished(() => {
    ledger.close();
    rmSync(folder, { recursive: true });
  });
  const base = { baseModel: 'mlx/demo-base', baseCommit: 'c', engine: 'host' } as const;
  const run = { recipe: 'tickets', recipeFile: 'r', method: 'lora', seed: 1, owner: null, startedAtMs: 1 };
  for (const version of [1, 2]) {
    const runId = `r${version}`;
    insertRun(ledger, { ...base, ...run, id: runId });
    const image = { digest: `sha256:${version}`, settings: '{}', sizeBytes: 1, createdAtMs: 1 };
    insertVersion(ledger, { ...base, ...image, model: 'tickets', version, runId });
  }
  promoted(null, 1, 10, 20);
  second = promoted(1, 2, 50, 90);
});

function promoted(fromVersion: number | null, toVersion: number, startedAtMs: number, endedAtMs: number): number {
  const who = { kind: 'promote', model: 'tickets', alias: 'production', actor: 'ada', reason: null } as const;
  const id = startPromotion(ledger, { ...who, fromVersion, toVersion, owner: null, startedAtMs });
  endPromotion(ledger, id, { state: 'promoted', endedAtMs, errorCode: null, errorMessage: null });
  return id;
}

/** Never sent to anybody, as while a breaker is open. */
function meantFor(startedAtMs: number): number | undefined {
  const unsent = { upstream: null, model: null, version: null, digest: null, status: 503, errorClass: 'breaker_open' };
  const caller = { keyId: null, tenant: null, feature: null, finishReason: null, durationMs: 1 };
  const request: TrafficRequest = { ...unsent, ...caller, requestId: 'r', route: 'tickets', startedAtMs };
  return explainRequest(ledger, { project: '/p', runs: '/p/runs' }, request).version?.version;
}

test('it is the one before until the route is switched, which takes as long as the new server takes to start', () => {
  endFlip(second, 80);
  expect([15, 49, 79, 80, 95].map(meantFor)).toEqual([undefined, 1, 1, 2, 2]);
});

test('of a release whose switch nobody wrote down its end counts', () => {
  expect([60, 89, 90].map(meantFor)).toEqual([1, 1, 2]);
});

function endFlip(promotionId: number, endedAtMs: number): void {
  const position = beginStep(ledger, { promotionId, step: 'flip', subject: '{}', begunAtMs: endedAtMs - 1 });
  endStep(ledger, { promotionId, position }, 'done', endedAtMs);
}
