import { describe, expect, it } from 'vitest';

import type { TrainerEvent } from '../../../src/training/events.js';
import { initialProgress, nextProgress, progressLine, withLine } from '../../../src/training/progress.js';

const step: TrainerEvent = {
  event: 'step',
  step: 120,
  total_steps: 318,
  epoch: 1.1,
  loss: 0.5321,
  learning_rate: 0.0012,
  grad_norm: 1,
  tokens_per_second: 4210.4,
  memory_gib: 0.93,
  eta_ms: 48_300,
};

describe('the live state', () => {
  it('gathers losses, and takes the rest from the newest step', () => {
    const progress = [step, { ...step, step: 125, loss: 0.5 }].reduce(nextProgress, initialProgress('tickets', 0));
    expect(progress).toMatchObject({
      step: 125,
      totalSteps: 318,
      losses: [0.5321, 0.5],
      etaMs: 48_300,
      memoryGib: 0.93,
    });
  });

  it('keeps the last loss there was when the training diverges', () => {
    const diverged = { ...step, loss: null, grad_norm: null };
    expect([step, diverged].reduce(nextProgress, initialProgress('tickets', 0)).losses).toEqual([0.5321]);
    expect(progressLine(diverged)).toContain('loss not a number');
  });

  it('shows the newest score of a subject once', () => {
    const score = {
      event: 'score',
      subject: 'base',
      loss: 3,
      perplexity: 20,
      exact_match: 0,
      rows: 2,
      tokens: 9,
      duration_ms: 1,
    } as const;
    const progress = [score, { ...score, loss: 2 }].reduce(nextProgress, initialProgress('tickets', 0));
    expect(progress.scores).toEqual([{ subject: 'base', loss: 2, perplexity: 20, exactMatch: 0 }]);
  });

  it('leaves the scoring bar when the phase changes', () => {
    const scoring = nextProgress(initialProgress('tickets', 0), {
      event: 'score_progress',
      subject: 'base',
      done: 1,
      rows: 2,
    });
    expect(nextProgress(scoring, { event: 'phase', phase: 'train' })).toMatchObject({
      phase: 'training',
      scoring: undefined,
    });
  });

  it('keeps the last three lines', () => {
    const progress = ['a', 'b', 'c', 'd'].reduce(withLine, initialProgress('tickets', 0));
    expect(progress.lines).toEqual(['b', 'c', 'd']);
  });
});

describe('a line', () => {
  it('of a step has all figures in fixed places', () => {
    expect(progressLine(step)).toBe('step      120/318  loss 0.5321  lr 1.2e-3  4,210 tokens/s  0.9 GiB  48 s left');
  });

  it('is not made of what would only be noise', () => {
    expect(progressLine({ event: 'score_progress', subject: 'base', done: 1, rows: 2 })).toBeUndefined();
  });
});
