// Writes down what the trainer says while it says it: events.jsonl, trainer.log, examples.json, and metrics in the ledger.
// Steps are gathered for up to a second and committed together: a commit is a disk flush, and a fast trainer makes many steps.
import { closeSync, openSync, writeFileSync, writeSync } from 'node:fs';

import { errorMessage, isDiskFull, MlxError } from '../errors.js';
import { recordMetrics, recordParams, type Metric } from '../ledger/metrics.js';
import type { Ledger } from '../ledger/open.js';
import { updateRun } from '../ledger/runs.js';
import type { EventOf, JobEnd } from './ending.js';
import { parseTrainerEvent, type TrainerEvent } from './events.js';
import { eventMetrics } from './measurements.js';
import { progressLine } from './progress.js';
import type { RunFolder } from './run-folder.js';

const flushAfterMs = 1000;

export type Recorder = {
  stdout: (line: string) => void;
  stderr: (line: string) => void;
  flush: () => void;
  /** Flushes and closes the files. */
  close: () => void;
  lastWord: () => JobEnd['lastWord'];
  /** Why writing stopped working; `onFailure` was called once when it did. */
  failure: () => MlxError | undefined;
};

export type RecorderEdges = {
  ledger: Ledger;
  runId: string;
  folder: RunFolder;
  now: () => Date;
  onEvent: (event: TrainerEvent) => void;
  onMetrics: (metrics: Metric[]) => void;
  onFailure: () => void;
};

export function openRecorder(edges: RecorderEdges): Recorder {
  const recording: Recording = {
    edges,
    eventFile: openSync(edges.folder.events, 'a', 0o600),
    logFile: openSync(edges.folder.log, 'a', 0o600),
    examples: [],
    pending: [],
    timer: undefined,
    lastStep: 0,
    lastWord: undefined,
    failure: undefined,
  };
  return {
    stdout: (line) => recordLine(recording, line),
    stderr: (line) => guarded(recording, () => void writeSync(recording.logFile, `${line}\n`)),
    flush: () => guarded(recording, () => flush(recording)),
    close: () => {
      guarded(recording, () => flush(recording));
      clearTimeout(recording.timer);
      closeSync(recording.eventFile);
      closeSync(recording.logFile);
    },
    lastWord: () => recording.lastWord,
    failure: () => recording.failure,
  };
}

type Recording = {
  edges: RecorderEdges;
  eventFile: number;
  logFile: number;
  examples: EventOf<'example'>[];
  pending: Metric[];
  timer: NodeJS.Timeout | undefined;
  lastStep: number;
  lastWord: JobEnd['lastWord'];
  failure: MlxError | undefined;
};

function recordLine(recording: Recording, line: string): void {
  const event = parseTrainerEvent(line);
  guarded(recording, () => {
    if (event) recordEvent(recording, event, line);
    else writeSync(recording.logFile, `${line}\n`);
  });
  if (event) recording.edges.onEvent(event);
}

function recordEvent(recording: Recording, event: TrainerEvent, line: string): void {
  const { ledger, runId, now } = recording.edges;
  writeSync(recording.eventFile, `${line}\n`);
  // In the log too, as people read it: whoever follows a detached run sees text and steps in their order.
  const readable = progressLine(event);
  if (readable !== undefined) writeSync(recording.logFile, `${readable}\n`);
  if (event.event === 'step') recording.lastStep = event.step;
  if (event.event === 'example') writeExample(recording, event);
  if (event.event === 'result' || event.event === 'stopped' || event.event === 'error') recording.lastWord = event;
  recordFacts(ledger, runId, event);
  recording.pending.push(...eventMetrics(event, recording.lastStep, now().getTime()));
  if (recording.pending.length === 0) return;
  recording.timer ??= setTimeout(() => guarded(recording, () => flush(recording)), flushAfterMs);
}

function writeExample({ edges, examples }: Recording, example: EventOf<'example'>): void {
  examples.push(example);
  writeFileSync(edges.folder.examples, `${JSON.stringify(examples, null, 2)}\n`, { mode: 0o600 });
}

function flush(recording: Recording): void {
  clearTimeout(recording.timer);
  recording.timer = undefined;
  const metrics = recording.pending.splice(0);
  if (metrics.length === 0) return;
  recordMetrics(recording.edges.ledger, recording.edges.runId, metrics);
  recording.edges.onMetrics(metrics);
}

/** A full disk must end the run as a failed run, not mlx as a crash in a timer. */
function guarded(recording: Recording, work: () => void): void {
  if (recording.failure) return;
  try {
    work();
  } catch (error) {
    recording.failure = writeFailure(error, recording.edges.folder.folder);
    recording.edges.onFailure();
  }
}

/** What an event says once about the run: the device, the versions, the sizes. */
function recordFacts(ledger: Ledger, runId: string, event: TrainerEvent): void {
  if (event.event === 'started') {
    updateRun(ledger, runId, { device: `${event.device}: ${event.device_name}` });
    const versions = Object.entries(event.versions).map(([name, version]) => [`versions.${name}`, version] as const);
    recordParams(ledger, runId, Object.fromEntries([...versions, ['device.threads', String(event.threads)]]));
  }
  if (event.event === 'data') {
    recordParams(ledger, runId, {
      'data.train_tokens': String(event.train_tokens),
      'data.longest_row_tokens': String(event.longest_row_tokens),
      'data.truncated_rows': String(event.truncated_rows),
    });
  }
  if (event.event === 'model') {
    recordParams(ledger, runId, {
      'model.parameters': String(event.parameters),
      'model.trainable_parameters': String(event.trainable_parameters),
      'model.dtype': event.dtype,
    });
  }
  if (event.event === 'result') updateRun(ledger, runId, { steps: event.steps, tokens: event.tokens });
}

function writeFailure(error: unknown, folder: string): MlxError {
  if (error instanceof MlxError) return error;
  if (isDiskFull(error)) return new MlxError('DISK_FULL', `The disk that holds ${folder} is full.`, { cause: error });
  return new MlxError('INTERNAL', `Writing the run down failed: ${errorMessage(error)}`, { cause: error });
}
