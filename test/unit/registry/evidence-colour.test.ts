// What stands out on a terminal. Colours are decided when their library loads, so this file turns them on before.
import { expect, test } from 'vitest';

delete process.env['NO_COLOR'];
process.env['FORCE_COLOR'] = '1';
const { renderEvidence } = await import('../../../src/registry/evidence.js');

const yellow = '\u001b[33m';
const scored = (against: 'better' | 'worse', loss: 'better' | 'worse') =>
  renderEvidence({
    run: 'run-2',
    scores: [
      { name: 'exact_match', value: 0.75, before: 0.8, against },
      { name: 'loss', value: 0.5, before: 0.4, against: loss },
    ],
    otherRows: false,
    golden: { prompts: 0, verdict: 'not_asked' },
  }).split('\n');

test('a main score that got worse is a warning, in colour and in words', () => {
  expect(scored('worse', 'better')[1]).toContain(`${yellow}held out  exact_match 0.75 (before 0.8, worse)`);
});

test('a lesser score that got worse is none', () => {
  expect(scored('better', 'worse').join('\n')).not.toContain(yellow);
});
