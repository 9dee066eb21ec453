import { readFileSync } from 'node:fs';

import { describe, expect, it } from 'vitest';

import { latestMetrics, metricHistory, runParams, type Metric } from '../../../src/ledger/metrics.js';
import { findRun } from '../../../src/ledger/runs.js';
import { openRecorder } from '../../../src/training/recorder.js';
import { startedAtMs, startedRun } from './examples.js';

function step(number: number, loss: number): string {
  return JSON.stringify({
    event: 'step',
    step: number,
    total_steps: 4,
    epoch: 1,
    loss,
    learning_rate: 0.001,
    grad_norm: 1,
    tokens_per_second: 900,
    memory_gib: 0.5,
    eta_ms: 100,
  });
}

function recorderOf(run: ReturnType<typeof startedRun>) {
  const seen: string[] = [];
  const batches: Metric[][] = [];
  const failures: string[] = [];
  const recorder = openRecorder({
    ledger: run.ledger,
    runId: run.id,
    folder: run.folder,
    now: () => new Date(startedAtMs),
    onEvent: ({ event }) => seen.push(event),
    onMetrics: (metrics) => batches.push(metrics),
    onFailure: () => failures.push('failed'),
  });
  return { recorder, seen, batches, failures };
}

describe('the recorder', () => {
  it('commits several steps at once, and has them in the ledger after a flush', () => {
    const run = startedRun();
    const { recorder, batches } = recorderOf(run);
    recorder.stdout(step(1, 2));
    recorder.stdout(step(2, 1));
    expect(metricHistory(run.ledger, run.id, 'train/loss')).toEqual([]);
    recorder.flush();
    expect(metricHistory(run.ledger, run.id, 'train/loss').map(({ step: at, value }) => [at, value])).toEqual([
      [1, 2],
      [2, 1],
    ]);
    expect(batches).toHaveLength(1);
    recorder.close();
  });

  it('records what is left of a step whose loss is not a number', () => {
    const run = startedRun();
    const { recorder, seen } = recorderOf(run);
    recorder.stdout(step(1, Number.NaN));
    recorder.close();
    expect(seen).toEqual(['step']);
    expect(metricHistory(run.ledger, run.id, 'train/loss')).toEqual([]);
    expect(latestMetrics(run.ledger, run.id)).toMatchObject({ 'train/learning_rate': 0.001 });
  });

  it('writes events as they came, and text and readable events to the log in their order', () => {
    const run = startedRun();
    const { recorder, seen } = recorderOf(run);
    recorder.stderr('warming up');
    recorder.stdout(step(1, 2));
    recorder.stdout('{"event":"from_a_newer_trainer"}');
    recorder.stdout('not json');
    recorder.close();
    expect(readFileSync(run.folder.events, 'utf8')).toBe(`${step(1, 2)}\n`);
    const log = readFileSync(run.folder.log, 'utf8').split('\n');
    expect(log[0]).toBe('warming up');
    expect(log[1]).toMatch(/^step +1\/4 {2}loss 2\.0000/);
    expect(log.slice(2)).toEqual(['{"event":"from_a_newer_trainer"}', 'not json', '']);
    expect(seen).toEqual(['step']);
  });

  it('keeps facts, scores and examples where they belong', () => {
    const run = startedRun();
    const { recorder } = recorderOf(run);
    const say = (event: object): void => recorder.stdout(JSON.stringify(event));
    say({ event: 'started', device: 'cpu', device_name: 'AMD EPYC', threads: 2, versions: { torch: '2.13.0' } });
    say({
      event: 'score',
      subject: 'base',
      loss: 3,
      perplexity: 20,
      exact_match: 0,
      rows: 5,
      tokens: 50,
      duration_ms: 10,
    });
    recorder.stdout(step(4, 0.4));
    say({
      event: 'score',
      subject: 'tuned',
      loss: 0.4,
      perplexity: 1.5,
      exact_match: 0.8,
      rows: 5,
      tokens: 50,
      duration_ms: 10,
    });
    say({ event: 'example', row: 3, prompt: 'p', expected: 'e', base: 'b', tuned: 'e' });
    recorder.close();
    expect(findRun(run.ledger, run.id).device).toBe('cpu: AMD EPYC');
    expect(runParams(run.ledger, run.id)).toEqual({ 'device.threads': '2', 'versions.torch': '2.13.0' });
    expect(latestMetrics(run.ledger, run.id)).toMatchObject({
      'held_out/base/exact_match': 0,
      'held_out/tuned/exact_match': 0.8,
      'held_out/tuned/perplexity': 1.5,
    });
    expect(metricHistory(run.ledger, run.id, 'held_out/tuned/loss')[0]?.step).toBe(4);
    expect(JSON.parse(readFileSync(run.folder.examples, 'utf8'))).toMatchObject([{ row: 3, tuned: 'e' }]);
  });

  it('reports once that it cannot write any more, and does not throw into the job', () => {
    const run = startedRun();
    const { recorder, failures, seen } = recorderOf(run);
    run.ledger.close();
    recorder.stdout(step(1, 2));
    recorder.flush();
    recorder.stdout(step(2, 1));
    recorder.close();
    expect(failures).toEqual(['failed']);
    expect(recorder.failure()?.code).toBe('INTERNAL');
    expect(seen).toEqual(['step', 'step']);
  });
});
