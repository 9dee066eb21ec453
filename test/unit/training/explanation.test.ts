import { rmSync } from 'node:fs';
import { join } from 'node:path';

import { expect, test } from 'vitest';

import { findRun } from '../../../src/ledger/runs.js';
import { explainDifference } from '../../../src/training/explanation.js';
import { train, type TrainRequest } from '../../../src/training/train.js';
import { fakeEngine, type FakeEngine } from './fake-engine.js';
import { edgesOf, project, tickets } from './tickets-project.js';

type Place = ReturnType<typeof project> & { engine: FakeEngine };

/** Two runs, with something done in between. */
async function reasons(change: (place: Place) => Partial<TrainRequest> | undefined): Promise<string[]> {
  const place = { ...project(), engine: fakeEngine() };
  const { edges } = edgesOf(place, place.engine);
  const first = await train(edges, tickets);
  const request = change(place);
  const second = await train(edges, { ...tickets, ...request });
  return explainDifference(place.paths.runs, first, second).reasons;
}

const row = (question: string): string => `${JSON.stringify({ prompt: question, completion: '{"a":1}' })}\n`;

test('equal runs are equal, and so are their adapters', async () => {
  expect(await reasons(() => undefined)).toEqual([expect.stringContaining('and so are the adapters')]);
});

test('a setting and a seed are named with both values', async () => {
  expect(await reasons(() => ({ overrides: ['lora.r=4', 'seed=7'] }))).toEqual([
    'setting  lora.r: 16, then 4',
    'seed: 42, then 7',
  ]);
});

test('rows are named by file and line', async () => {
  const changed = await reasons(({ file }) => {
    file('data/train.jsonl', row('one') + row('zwei') + row('three') + row('more'));
    return undefined;
  });
  expect(changed).toEqual([
    'row      data/train.jsonl line 2 was changed (train)',
    'row      data/train.jsonl line 4 was added (train)',
  ]);
});

test('many rows are counted', async () => {
  const many = await reasons(({ file }) => {
    file('data/train.jsonl', Array.from({ length: 9 }, (_, index) => row(`new ${index}`)).join(''));
    return undefined;
  });
  expect(many).toHaveLength(6);
  expect(many.at(-1)).toBe('rows     and 4 more');
});

test('the same rows in another order are that', async () => {
  const order = await reasons(({ file }) => {
    file('data/train.jsonl', row('three') + row('one') + row('two'));
    return undefined;
  });
  expect(order).toEqual(['rows     the same in another order (train), from data/train.jsonl line 1 on']);
});

test('a package is named with both versions, a file of the base model by its name', async () => {
  const both = await reasons(({ engine, file }) => {
    engine.runtime = { ...engine.runtime, installed: { ...engine.runtime.installed, numpy: '2.4.5' } };
    file('base/config.json', '{"other":1}');
    return undefined;
  });
  expect(both).toContain('package  numpy: 2.4.6, then 2.4.5');
  expect(both.find((reason) => reason.startsWith('base     file config.json'))).toBeDefined();
});

test('a run whose files are gone is told as one', async () => {
  const place = project();
  const { edges } = edgesOf(place, fakeEngine());
  const first = await train(edges, tickets);
  const second = await train(edges, tickets);
  rmSync(join(place.paths.runs, first.id), { recursive: true });
  const { reasons: told } = explainDifference(place.paths.runs, findRun(place.ledger, first.id), second);
  expect(told).toEqual([expect.stringContaining(first.id)]);
});
