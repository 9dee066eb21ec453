import { describe, expect, it } from 'vitest';

import { MlxError } from '../../../src/errors.js';
import { decideEnding, type JobEnd } from '../../../src/training/ending.js';
import { exampleRecipe } from './examples.js';

const exited = { status: 0, signal: null, outOfMemory: false, seal: 'namespace' as const };
const result = {
  event: 'result' as const,
  steps: 10,
  train_loss: 0.5,
  tokens: 1000,
  train_duration_ms: 900,
  duration_ms: 2000,
  peak_memory_gib: 0.5,
  output: 'adapter' as const,
};

function end(changes: Partial<JobEnd>): JobEnd {
  return {
    runId: 'tickets-000001',
    recipe: exampleRecipe(),
    reference: 'tickets',
    replay: undefined,
    lastWord: undefined,
    exit: exited,
    interrupted: false,
    hasCheckpoint: true,
    ...changes,
  };
}

describe('a run ends', () => {
  it('finished, when the trainer has a result and status 0', () => {
    expect(decideEnding(end({ lastWord: result }))).toEqual({ state: 'finished' });
  });

  it('finished, when Ctrl-C came after the result', () => {
    expect(decideEnding(end({ lastWord: result, interrupted: true })).state).toBe('finished');
  });

  it('failed, when the trainer crashed after its result', () => {
    expect(decideEnding(end({ lastWord: result, exit: { ...exited, status: 139 } })).state).toBe('failed');
  });

  it.each([
    [
      'said by the trainer',
      {
        lastWord: { event: 'error' as const, code: 'LOSS_DIVERGED', message: 'at step 5' },
        exit: { ...exited, status: 1 },
      },
    ],
    ['seen in its result', { lastWord: { ...result, train_loss: null } }],
  ])('failed, when its loss diverged (%s), with a lower learning rate to try', (_name, changes) => {
    expect(decideEnding(end(changes))).toMatchObject({
      state: 'failed',
      errorCode: 'LOSS_DIVERGED',
      errorHint: 'Train again with a lower learning rate: mlx train tickets --set trainer.learning_rate=0.00002',
    });
  });

  it('stopped, and says how to go on', () => {
    const ending = decideEnding(
      end({ lastWord: { event: 'stopped', step: 7 }, exit: { ...exited, status: 130 }, interrupted: true }),
    );
    expect(ending).toEqual({
      state: 'stopped',
      errorCode: 'INTERRUPTED',
      errorMessage: 'Stopped at step 7 before it was done.',
      errorHint: 'Go on from the last checkpoint: mlx train --resume tickets-000001',
    });
  });

  it('stopped before the first checkpoint, and says that it starts again', () => {
    const ending = decideEnding(
      end({ exit: { ...exited, status: null, signal: 'SIGKILL' }, interrupted: true, hasCheckpoint: false }),
    );
    expect(ending).toMatchObject({
      state: 'stopped',
      errorHint: expect.stringContaining('Start again: mlx train --resume'),
    });
  });

  it('failed for memory, and names what this recipe can lower', () => {
    const lastWord = { event: 'error' as const, code: 'OUT_OF_MEMORY', message: 'tried to allocate 2 GiB' };
    expect(decideEnding(end({ lastWord, exit: { ...exited, status: 1 } }))).toEqual({
      state: 'failed',
      errorCode: 'OUT_OF_MEMORY',
      errorMessage: 'The trainer ran out of memory: tried to allocate 2 GiB',
      errorHint:
        'Lower what it needs, one after the other: mlx train tickets --set trainer.per_device_train_batch_size=4 --set trainer.gradient_accumulation_steps=2, or --set trainer.gradient_checkpointing=true, or --set trainer.max_length=512, or --set method=qlora',
    });
  });

  it('failed for memory that the system took back, without advice that is already followed', () => {
    const recipe = exampleRecipe({
      method: 'qlora',
      trainer: { per_device_train_batch_size: 1, gradient_checkpointing: true, max_length: 256 },
    });
    expect(decideEnding(end({ recipe, exit: { ...exited, status: 137, outOfMemory: true } }))).toMatchObject({
      errorCode: 'OUT_OF_MEMORY',
      errorHint: 'Take a smaller base model, or a machine with more memory.',
    });
  });

  it.each([
    ['TRAINER_KILLED', { ...exited, status: null, signal: 'SIGKILL' }],
    ['TRAINER_KILLED', { ...exited, status: 137 }],
    ['TRAINER_KILLED', { ...exited, status: null, signal: 'SIGSEGV' }],
    ['TRAINER_GONE', { ...exited, status: null }],
    ['TRAINER_FAILED', { ...exited, status: 1 }],
    ['TRAINER_FAILED', exited],
  ])('failed with %s when the trainer has no last word: %j', (errorCode, exit) => {
    expect(decideEnding(end({ exit }))).toMatchObject({ state: 'failed', errorCode });
  });

  it('failed with the reason of the engine when it went away', () => {
    const gone = new MlxError('DOCKER_UNREACHABLE', 'The Engine stopped answering.', { hint: 'Start Docker.' });
    expect(decideEnding(end({ exit: gone }))).toEqual({
      state: 'failed',
      errorCode: 'DOCKER_UNREACHABLE',
      errorMessage: 'The Engine stopped answering.',
      errorHint: 'Start Docker.',
    });
  });

  it('failed for a full disk even when the trainer itself got to its result', () => {
    const full = new MlxError('DISK_FULL', 'The disk is full.');
    expect(decideEnding(end({ lastWord: result, exit: full }))).toMatchObject({
      state: 'failed',
      errorCode: 'DISK_FULL',
      errorHint: expect.stringContaining('mlx train --resume tickets-000001'),
    });
  });
});

it('a replay that ended early is to be replayed again: a resumed one gives no verdict', () => {
  const killed = decideEnding(end({ interrupted: true, replay: 'tickets-3fa91c' }));
  expect(killed).toMatchObject({ errorHint: 'Replay it again, from its beginning: mlx replay tickets-3fa91c' });
});

it('hints name a recipe in a folder of its own by its path', () => {
  const failed = decideEnding(end({ reference: 'recipes/ci/smoke.yaml', lastWord: { ...result, train_loss: null } }));
  expect(failed).toMatchObject({ errorHint: expect.stringContaining('mlx train recipes/ci/smoke.yaml --set') });
});
