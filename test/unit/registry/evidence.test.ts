import { writeFileSync } from 'node:fs';

import { afterEach, beforeEach, expect, test } from 'vitest';

import { recordDatasets, recordMetrics } from '../../../src/ledger/metrics.js';
import { findVersion } from '../../../src/ledger/versions.js';
import { evidenceOf, renderEvidence } from '../../../src/registry/evidence.js';
import { makeWorld, type World } from './world.js';

let world: World;

beforeEach(async () => {
  world = await makeWorld();
});

afterEach(() => world.close());

const version = () => findVersion(world.ledger, 'tickets:2');
const scored = (runId: string, exactMatch: number) =>
  recordMetrics(world.ledger, runId, [
    { key: 'held_out/tuned/exact_match', step: 1, value: exactMatch, recordedAtMs: 1 },
  ]);

test('the scores of a version stand beside those of the version before, with which is better', () => {
  scored('run-1', 0.75);
  scored('run-2', 0.8);
  const evidence = evidenceOf(world.ledger, version(), 1, 0);
  expect(evidence.scores).toMatchObject([
    { name: 'exact_match', value: 0.8, before: 0.75, against: 'better' },
    { name: 'loss', value: 0.5, before: 0.5, against: 'same' },
  ]);
  expect(renderEvidence(evidence)).toBe(
    [
      'run       run-2',
      'held out  exact_match 0.8 (before 0.75, better), loss 0.5 (before 0.5, same)',
      'golden    no prompts in evals/golden.jsonl',
    ].join('\n'),
  );
});

test('scores on other held-out rows are not compared', () => {
  recordDatasets(world.ledger, 'run-2', [{ split: 'held_out', sources: 'x', rows: 9, sha256: 'other' }]);
  const evidence = evidenceOf(world.ledger, version(), 1, 0);
  expect(evidence).toMatchObject({ otherRows: true, scores: [{ name: 'loss', before: null, against: null }] });
  expect(renderEvidence(evidence)).toContain('the version before was scored on other rows');
});

test('golden prompts are right, wrong, or were not asked', async () => {
  const golden = (expected: string) =>
    writeFileSync(
      world.edges.goldenFile,
      `${JSON.stringify({ messages: [{ role: 'user', content: 'Hi' }], equals: expected })}\n`,
    );
  golden('version 1');
  const first = await world.promote(1);
  const right = evidenceOf(world.ledger, findVersion(world.ledger, 'tickets:1'), null, 1, first);
  expect([right.golden, renderEvidence(right)]).toEqual([
    { prompts: 1, verdict: 'right' },
    expect.stringContaining('golden    one prompt answered right'),
  ]);
  const refused = await world.promote(2);
  expect(evidenceOf(world.ledger, version(), 1, 1, refused).golden.verdict).toBe('wrong');
  expect(evidenceOf(world.ledger, version(), 1, 1).golden.verdict).toBe('not_asked');
  world.edges.keepWarmMs = 300_000;
  golden('version 2');
  await world.promote(2);
  const back = await world.rollback();
  expect(evidenceOf(world.ledger, findVersion(world.ledger, 'tickets:1'), 2, 1, back).golden.verdict).toBe('not_asked');
});
