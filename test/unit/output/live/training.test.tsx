import { render } from 'ink-testing-library';
import { describe, expect, it } from 'vitest';

import type { TrainingProgress } from '../../../../src/output/live/training-progress.js';
import { Training } from '../../../../src/output/live/training.js';

const progress: TrainingProgress = {
  title: 'tickets-3fa91c',
  phase: 'done',
  ended: true,
  startedAtMs: Date.now(),
  device: 'AMD EPYC',
  step: 125,
  totalSteps: 318,
  etaMs: 48_000,
  epoch: 1.2,
  losses: [3, 2, 1],
  learningRate: 0.0012,
  tokensPerSecond: 4210,
  memoryGib: 0.93,
  scoring: undefined,
  scores: [{ subject: 'base', loss: 3.47, perplexity: 32.2, exactMatch: 0 }],
  lines: ['saved     checkpoint at step 100'],
};

function frame(changes: Partial<TrainingProgress>, columns = 80): string {
  const { lastFrame, unmount } = render(<Training progress={{ ...progress, ...changes }} columns={columns} />);
  const shown = lastFrame() ?? '';
  unmount();
  return shown;
}

describe('the live view of a training', () => {
  it('shows figures, scores and the last lines', () => {
    const shown = frame({});
    for (const part of [
      'tickets-3fa91c',
      'AMD EPYC',
      '125/318 · epoch 1.2 · 48 s left',
      'loss 1.0000 █▅▁',
      '4,210 tokens/s',
      'exact match 0 %',
      'checkpoint at step 100',
    ]) {
      expect(shown).toContain(part);
    }
  });

  it.each([40, 60, 80, 120])('never wraps a line at %i columns', (columns) => {
    const lines = frame({}, columns).split('\n');
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(columns);
    expect(lines).toHaveLength(6);
  });

  it('counts rows while it scores', () => {
    expect(frame({ scoring: { done: 50, rows: 200 } })).toContain('50/200 rows');
  });

  it('has no figures before the first step', () => {
    const shown = frame({ step: 0, totalSteps: 0, losses: [], learningRate: undefined, scores: [], lines: [] });
    expect(shown.split('\n')).toHaveLength(2);
  });
});
