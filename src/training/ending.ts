// How a run ended, from what the trainer said, how its job exited, and whether a person stopped it; and what to do next. Pure.
import type { JobExit } from '../engine/engine.js';
import type { Recipe } from '../recipe/schema.js';
import type { MlxError } from '../errors.js';
import type { TrainerEvent } from './events.js';

export type EventOf<Name extends TrainerEvent['event']> = Extract<TrainerEvent, { event: Name }>;

/** What mlx knows once the job is over. */
export type JobEnd = {
  runId: string;
  recipe: Recipe;
  /** What `mlx train` takes for the recipe. */
  reference: string;
  /** What `mlx replay` takes, when the run is a replay: resumed it would give no verdict. */
  replay: string | undefined;
  /** The last word of the trainer: at most one of the three. */
  lastWord: EventOf<'result'> | EventOf<'stopped'> | EventOf<'error'> | undefined;
  /** How the job exited; or why mlx lost sight of it (the engine went away, the disk filled up). */
  exit: JobExit | MlxError;
  /** A person pressed Ctrl-C, or the system asked mlx to stop. */
  interrupted: boolean;
  /** There is something to resume from. */
  hasCheckpoint: boolean;
};

export type Ending =
  { state: 'finished' } | { state: 'stopped' | 'failed'; errorCode: string; errorMessage: string; errorHint: string };

export function decideEnding(end: JobEnd): Ending {
  const { lastWord, exit, interrupted } = end;
  if (lastWord?.event === 'result' && !('code' in exit) && exit.status === 0) {
    return lastWord.train_loss === null ? failure(end, 'LOSS_DIVERGED', diverged) : { state: 'finished' };
  }
  if (lastWord?.event === 'error') return failure(end, lastWord.code, trainerMessage(lastWord));
  if ('code' in exit) return interrupted ? stopped(end) : failure(end, exit.code, exit.message, exit.hint);
  if (exit.outOfMemory) return failure(end, 'OUT_OF_MEMORY', 'The system ended the trainer because memory ran out.');
  if (lastWord?.event === 'stopped' || interrupted) return stopped(end);
  const { code, message } = unexplained(exit);
  return failure(end, code, message);
}

const diverged = 'The training diverged: its loss is no longer a number.';

function stopped(end: JobEnd): Ending {
  const step = end.lastWord?.event === 'stopped' ? ` at step ${end.lastWord.step}` : '';
  return {
    state: 'stopped',
    errorCode: 'INTERRUPTED',
    errorMessage: `Stopped${step} before it was done.`,
    errorHint: goOn(end),
  };
}

function failure(end: JobEnd, errorCode: string, errorMessage: string, errorHint = hintFor(errorCode, end)): Ending {
  return { state: 'failed', errorCode, errorMessage, errorHint };
}

function trainerMessage(error: EventOf<'error'>): string {
  return error.code === 'OUT_OF_MEMORY' ? `The trainer ran out of memory: ${error.message}` : error.message;
}

/** The job ended without a last word from the trainer. 137 is how a container reports SIGKILL. */
function unexplained({ status, signal }: JobExit): { code: string; message: string } {
  if (signal === 'SIGKILL' || status === 137) {
    const message = 'The trainer was killed from outside (SIGKILL), often because memory ran out.';
    return { code: 'TRAINER_KILLED', message };
  }
  if (signal !== null) return { code: 'TRAINER_KILLED', message: `The trainer was ended from outside (${signal}).` };
  if (status === null) {
    return { code: 'TRAINER_GONE', message: 'The trainer vanished: its container or process was removed.' };
  }
  return { code: 'TRAINER_FAILED', message: `The trainer ended with status ${status} and no result.` };
}

function hintFor(code: string, end: JobEnd): string {
  switch (code) {
    case 'OUT_OF_MEMORY':
      return lessMemory(end);
    case 'DISK_FULL':
      return `Free some space (mlx doctor shows how much there is; mlx runs rm deletes old runs), then: ${goOn(end)}`;
    case 'LOSS_DIVERGED':
      return lowerRate(end);
    case 'DATA_INVALID':
      return `Mend the rows that the message names, then: mlx train ${end.reference}`;
    case 'MODEL_INVALID':
      return 'Check and fetch the base model again: mlx pull';
    case 'TRAINER_KILLED':
    case 'TRAINER_GONE':
      return `${goOn(end)} (if memory was short: ${lessMemory(end)})`;
    default:
      return `Read its last lines: mlx runs logs ${end.runId}`;
  }
}

function goOn({ runId, recipe, replay, hasCheckpoint }: JobEnd): string {
  if (replay !== undefined) return `Replay it again, from its beginning: mlx replay ${replay}`;
  return hasCheckpoint
    ? `Go on from the last checkpoint: mlx train --resume ${runId}`
    : `Start again: mlx train --resume ${runId} (there is no checkpoint yet; trainer.save_steps is ${recipe.trainer.save_steps})`;
}

/** From the beginning: the checkpoints may hold what diverged already. */
function lowerRate({ reference, recipe: { trainer } }: JobEnd): string {
  const lower = Number((trainer.learning_rate / 10).toPrecision(2));
  return `Train again with a lower learning rate: mlx train ${reference} --set trainer.learning_rate=${lower}`;
}

/** Only what this recipe can still lower, the cheapest first. Half the batch twice as often is the same training. */
function lessMemory({ reference, recipe: { method, trainer } }: JobEnd): string {
  const batch = trainer.per_device_train_batch_size;
  const settings = [
    ...(batch > 1
      ? [
          `--set trainer.per_device_train_batch_size=${Math.ceil(batch / 2)} --set trainer.gradient_accumulation_steps=${trainer.gradient_accumulation_steps * 2}`,
        ]
      : []),
    ...(trainer.gradient_checkpointing ? [] : ['--set trainer.gradient_checkpointing=true']),
    ...(trainer.max_length > 256 ? [`--set trainer.max_length=${Math.floor(trainer.max_length / 2)}`] : []),
    ...(method === 'qlora' ? [] : ['--set method=qlora']),
  ];
  if (settings.length === 0) return 'Take a smaller base model, or a machine with more memory.';
  return `Lower what it needs, one after the other: mlx train ${reference} ${settings.join(', or ')}`;
}
