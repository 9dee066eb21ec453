// From the trainer's events to what people see: the state of the live view, and the lines where there is no terminal. Pure.
import type { TrainingProgress } from '../output/live/training-progress.js';
import { formatCount, formatDuration, formatNumber, formatShare } from '../output/numbers.js';
import type { EventOf } from './ending.js';
import type { TrainerEvent } from './events.js';

const linesKept = 3;

const phaseNames = {
  load: 'loading the base model',
  score_base: 'scoring the base model',
  train: 'training',
  score_tuned: 'scoring the tuned model',
  save: 'saving the adapter',
} as const;

export function initialProgress(title: string, startedAtMs: number): TrainingProgress {
  return {
    title,
    phase: 'starting',
    ended: false,
    startedAtMs,
    device: undefined,
    step: 0,
    totalSteps: 0,
    etaMs: undefined,
    epoch: undefined,
    losses: [],
    learningRate: undefined,
    tokensPerSecond: undefined,
    memoryGib: undefined,
    scoring: undefined,
    scores: [],
    lines: [],
  };
}

export function nextProgress(progress: TrainingProgress, event: TrainerEvent): TrainingProgress {
  switch (event.event) {
    case 'started':
      return { ...progress, device: event.device_name };
    case 'phase':
      return { ...progress, phase: phaseNames[event.phase], scoring: undefined };
    case 'score_progress':
      return { ...progress, scoring: { done: event.done, rows: event.rows } };
    case 'step':
      return withStep(progress, event);
    case 'score': {
      const { subject, loss, perplexity, exact_match: exactMatch } = event;
      const others = progress.scores.filter((score) => score.subject !== subject);
      return { ...progress, scoring: undefined, scores: [...others, { subject, loss, perplexity, exactMatch }] };
    }
    case 'result':
      return { ...progress, phase: 'done', ended: true, etaMs: undefined };
    case 'stopped':
    case 'error':
      return {
        ...withLine(progress, progressLine(event)),
        phase: event.event === 'stopped' ? 'stopped' : 'failed',
        ended: true,
        etaMs: undefined,
      };
    case 'data':
    case 'model':
    case 'checkpoint':
      return withLine(progress, progressLine(event));
    case 'example':
      return progress;
  }
}

function withStep(progress: TrainingProgress, event: EventOf<'step'>): TrainingProgress {
  return {
    ...progress,
    step: event.step,
    totalSteps: event.total_steps,
    etaMs: event.eta_ms,
    epoch: event.epoch,
    losses: event.loss === null ? progress.losses : [...progress.losses, event.loss],
    learningRate: event.learning_rate,
    tokensPerSecond: event.tokens_per_second,
    memoryGib: event.memory_gib,
  };
}

export function withLine(progress: TrainingProgress, line: string | undefined): TrainingProgress {
  return line === undefined ? progress : { ...progress, lines: [...progress.lines, line].slice(-linesKept) };
}

/** @returns undefined for events that would only be noise in a log */
export function progressLine(event: TrainerEvent): string | undefined {
  switch (event.event) {
    case 'started':
      return `trainer   on ${event.device_name} (${event.device}), torch ${event.versions['torch'] ?? 'unknown'}`;
    case 'data':
      return dataLine(event);
    case 'model':
      return `model     ${formatCount(event.parameters)} parameters, ${formatCount(event.trainable_parameters)} of them trained (${formatShare(event.trainable_parameters / event.parameters)})`;
    case 'phase':
      return `phase     ${phaseNames[event.phase]}`;
    case 'step':
      return `step      ${String(event.step).padStart(String(event.total_steps).length)}/${event.total_steps}  loss ${event.loss?.toFixed(4) ?? formatNumber(null)}  lr ${event.learning_rate.toExponential(1)}  ${formatCount(event.tokens_per_second)} tokens/s  ${event.memory_gib.toFixed(1)} GiB  ${formatDuration(event.eta_ms)} left`;
    case 'score':
      return `${event.subject.padEnd(9)} loss ${formatNumber(event.loss)}, perplexity ${formatNumber(event.perplexity)}, exact match ${formatShare(event.exact_match)} of ${formatCount(event.rows)} held-out rows (${formatDuration(event.duration_ms)})`;
    case 'checkpoint':
      return `saved     checkpoint at step ${event.step}`;
    case 'result':
      return `result    ${formatCount(event.steps)} steps, ${formatCount(event.tokens)} tokens in ${formatDuration(event.train_duration_ms)}`;
    case 'stopped':
      return `stopped   at step ${event.step}; a checkpoint is saved`;
    case 'error':
      return `error     ${event.code}: ${event.message}`;
    case 'score_progress':
    case 'example':
      return undefined;
  }
}

function dataLine(rows: EventOf<'data'>): string {
  const long = rows.truncated_rows === 1 ? 'one row is' : `${formatCount(rows.truncated_rows)} rows are`;
  const cut = rows.truncated_rows === 0 ? '' : `; ${long} cut at trainer.max_length`;
  return `data      ${formatCount(rows.train_rows)} rows, ${formatCount(rows.train_tokens)} tokens, the longest ${formatCount(rows.longest_row_tokens)}${cut}`;
}
