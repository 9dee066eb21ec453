// Writes down what the trainer says while it says it: events.jsonl, trainer.log, examples.json, and metrics in the ledger.
// Steps are gathered for up to a second and committed together: a commit is a disk flush, and a fast trainer makes many steps.
import { closeSync, openSync, writeFileSync, writeSync } from 'node:fs';

import { errorCode, MlxError } from '../errors.js';
import { recordMetrics, recordParams, type Metric } from '../ledger/metrics.js';
import type { Ledger } from '../ledger/open.js';
import { updateRun } from '../ledger/runs.js';
import type { EventOf, JobEnd } from './ending.js';
import { parseTrainerEvent, type TrainerEvent } from './events.js';
import { eventMetrics } from './measurements.js';
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
  const { ledger, runId, folder } = edges;
  const eventFile = openSync(folder.events, 'a', 0o600);
  const logFile = openSync(folder.log, 'a', 0o600);
  const examples: EventOf<'example'>[] = [];
  let pending: Metric[] = [];
  let timer: NodeJS.Timeout | undefined;
  let lastStep = 0;
  let lastWord: JobEnd['lastWord'];
  let failure: MlxError | undefined;

  const flush = (): void => {
    clearTimeout(timer);
    timer = undefined;
    if (pending.length === 0) return;
    const metrics = pending;
    pending = [];
    recordMetrics(ledger, runId, metrics);
    edges.onMetrics(metrics);
  };

  /** A full disk must end the run as a failed run, not mlx as a crash in a timer. */
  const guarded = (work: () => void): void => {
    if (failure) return;
    try {
      work();
    } catch (error) {
      failure = writeFailure(error, folder.folder);
      edges.onFailure();
    }
  };

  const keep = (event: TrainerEvent): void => {
    if (event.event === 'step') lastStep = event.step;
    if (event.event === 'example') examples.push(event);
    if (event.event === 'example') writeFileSync(folder.examples, `${JSON.stringify(examples, null, 2)}\n`, { mode: 0o600 });
    if (event.event === 'result' || event.event === 'stopped' || event.event === 'error') lastWord = event;
    recordFacts(ledger, runId, event);
    pending.push(...eventMetrics(event, lastStep, edges.now().getTime()));
    if (pending.length > 0) timer ??= setTimeout(() => guarded(flush), flushAfterMs);
  };

  return {
    stdout: (line) => {
      const event = parseTrainerEvent(line);
      guarded(() => {
        writeSync(event ? eventFile : logFile, `${line}\n`);
        if (event) keep(event);
      });
      if (event) edges.onEvent(event);
    },
    stderr: (line) => guarded(() => void writeSync(logFile, `${line}\n`)),
    flush: () => guarded(flush),
    close: () => {
      guarded(flush);
      clearTimeout(timer);
      closeSync(eventFile);
      closeSync(logFile);
    },
    lastWord: () => lastWord,
    failure: () => failure,
  };
}

/** What an event says once about the run: the device, the versions, the sizes. */
function recordFacts(ledger: Ledger, runId: string, event: TrainerEvent): void {
  if (event.event === 'started') {
    updateRun(ledger, runId, { device: `${event.device}: ${event.device_name}` });
    const versions = Object.entries(event.versions).map(([name, version]) => [`versions.${name}`, version] as const);
    recordParams(ledger, runId, Object.fromEntries([...versions, ['device.threads', String(event.threads)]]));
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
  if (errorCode(error) !== 'ENOSPC' && errorCode(error) !== 'EDQUOT') throw error;
  return new MlxError('DISK_FULL', `The disk that holds ${folder} is full.`, { cause: error });
}
