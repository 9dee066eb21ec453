// The TypeScript side of the seam: test/fixtures/trainer/events.jsonl was recorded from a real training, one line a kind.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { packageRoot } from '../../../src/config/paths.js';
import { parseTrainerEvent } from '../../../src/training/events.js';

const lines = readFileSync(join(packageRoot(), 'test', 'fixtures', 'trainer', 'events.jsonl'), 'utf8')
  .trimEnd()
  .split('\n');

describe('an event of the trainer', () => {
  it.each(lines)('is understood with all its fields: %s', (line) => {
    expect(parseTrainerEvent(line)).toEqual(JSON.parse(line));
  });

  it('of every kind that the contract has is in the recording', () => {
    const contract = readFileSync(join(packageRoot(), 'docs', 'trainer-contract.md'), 'utf8');
    const table = contract.slice(contract.indexOf('### Events'), contract.indexOf('## make_base.py'));
    const kinds = [...table.matchAll(/^\| `(\w+)` \|/gm)].map(([, kind]) => kind);
    expect(new Set(lines.map((line) => (JSON.parse(line) as { event: string }).event))).toEqual(new Set(kinds));
  });

  it.each([
    '{"event":"from_a_newer_trainer"}',
    '{"event":"step","step":"one"}',
    '{"event"',
    'Loading weights: 100%',
    '',
  ])('is not seen in a line that is none: %s', (line) => expect(parseTrainerEvent(line)).toBeUndefined());
});
