// One training at a time in a project, and runs whose mlx died.
import { describe, expect, it } from 'vitest';

import { ownerOf } from '../../../src/engine/owner.js';
import { findRun, insertRun, updateRun } from '../../../src/ledger/runs.js';
import { takeOver } from '../../../src/training/ownership.js';
import { reconcileRuns } from '../../../src/training/reconcile.js';
import { train } from '../../../src/training/train.js';
import { deadOwner, newRun } from './examples.js';
import { fakeEngine } from './fake-engine.js';
import { edgesOf, project, tickets } from './tickets-project.js';

describe('one training at a time', () => {
  it('a second one is refused while the first lives, and named', async () => {
    const place = project();
    insertRun(place.ledger, newRun('other-000001', livingOwner()));
    const { edges } = edgesOf(place, fakeEngine());
    await expect(train(edges, tickets)).rejects.toMatchObject({
      code: 'BUSY',
      exitStatus: 7,
      message: expect.stringContaining('other-000001'),
    });
  });

  it('a run whose mlx died becomes lost, its job is ended, and the next training begins', async () => {
    const place = project();
    insertRun(place.ledger, newRun('other-000001', deadOwner));
    const engine = fakeEngine();
    engine.leftovers.add('other-000001');
    const { edges, notes } = edgesOf(place, engine);
    expect(await train(edges, tickets)).toMatchObject({ state: 'finished' });
    expect(findRun(place.ledger, 'other-000001')).toMatchObject({
      state: 'lost',
      owner: null,
      errorCode: 'OWNER_DIED',
      errorHint: 'Start again: mlx train --resume other-000001 (there is no checkpoint yet)',
    });
    expect(engine.leftovers.size).toBe(0);
    expect(notes.join('\n')).toContain('mlx train --resume other-000001');
    expect(notes.join('\n')).toContain('has been ended');
  });

  it('a dead run whose engine does not answer is lost at once, and its job is ended as soon as it does', async () => {
    const place = project();
    insertRun(place.ledger, newRun('other-000001', deadOwner));
    const engine = fakeEngine();
    engine.leftovers.add('other-000001');
    engine.unreachable = true;
    const { edges, notes } = edgesOf(place, engine);
    await train(edges, tickets);
    expect(findRun(place.ledger, 'other-000001')).toMatchObject({ state: 'lost', owner: deadOwner });
    expect(notes.join('\n')).toContain('cannot be seen now');
    engine.unreachable = false;
    await train(edges, tickets);
    expect(engine.leftovers.size).toBe(0);
    expect(findRun(place.ledger, 'other-000001').owner).toBeNull();
  });
});

describe('a lost run', () => {
  it('that somebody resumed while the engine took its time is left alone by the one who came to clean up', async () => {
    const place = project();
    insertRun(place.ledger, newRun('other-000001', deadOwner));
    const engine = fakeEngine();
    const { edges } = edgesOf(place, engine);
    const slow = {
      ...edges,
      engine: () => {
        updateRun(place.ledger, 'other-000001', { state: 'running', owner: livingOwner() });
        return Promise.resolve(engine);
      },
    };
    await reconcileRuns(slow);
    expect(findRun(place.ledger, 'other-000001')).toMatchObject({ state: 'running', owner: livingOwner() });
  });

  it('whose job another command is ending is not touched, and cannot be resumed yet', async () => {
    const place = project();
    insertRun(place.ledger, newRun('other-000001'));
    updateRun(place.ledger, 'other-000001', { state: 'lost', owner: livingOwner() });
    const engine = fakeEngine();
    engine.leftovers.add('other-000001');
    await reconcileRuns(edgesOf(place, engine).edges);
    expect(engine.leftovers.size).toBe(1);
    expect(() => takeOver(place.ledger, 'other-000001', 'lost')).toThrowError(
      expect.objectContaining({ code: 'BUSY' }),
    );
  });

  it('is not taken over while another run trains', () => {
    const place = project();
    insertRun(place.ledger, newRun('other-000001'));
    updateRun(place.ledger, 'other-000001', { state: 'lost' });
    insertRun(place.ledger, newRun('living-000001', livingOwner()));
    expect(() => takeOver(place.ledger, 'other-000001', 'lost')).toThrowError(
      expect.objectContaining({ message: expect.stringContaining('living-000001') }),
    );
    expect(findRun(place.ledger, 'other-000001').state).toBe('lost');
  });
});

/** A process that lives as long as the test: the one that started it. */
function livingOwner(): string {
  return ownerOf(process.ppid) ?? '';
}
