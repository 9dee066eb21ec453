// Shows a training while it runs: an Ink view on a terminal, else one line an event (or one JSON object with --json).
import { openLiveTraining } from '../output/live/open.js';
import type { TrainingView } from '../output/live/training.js';
import type { Output } from '../output/output.js';
import type { TrainerEvent } from './events.js';
import { initialProgress, nextProgress, progressLine, withLine } from './progress.js';

export type TrainingReport = {
  /** The run exists from here on, under this id. */
  begin: (runId: string) => void;
  update: (event: TrainerEvent) => void;
  /** Downloads and installs before the trainer starts. */
  prepare: (line: string, fraction?: number) => void;
  note: (line: string) => void;
  /** Leaves the last state on the screen and gives the terminal back. */
  close: () => Promise<void>;
};

export type ViewEdges = { output: Output; now: () => Date; signal: AbortSignal };

export function openTrainingView({ output, now, signal }: ViewEdges, title: string): TrainingReport {
  return output.interactive ? liveReport(title, now, signal) : plainReport(output);
}

function plainReport(output: Output): TrainingReport {
  return {
    begin: (runId) => output.progress({ event: 'run', run: runId }, `run       ${runId}`),
    update: (event) => output.progress(event, progressLine(event)),
    prepare: (line, fraction) => output.progress({ event: 'prepare', line, fraction }, `prepare   ${line}`),
    note: (line) => output.progress({ event: 'note', line }, `note      ${line}`),
    close: () => Promise.resolve(),
  };
}

/** Opened by the first thing to show, beside the work: a mistake in a recipe is told without half a second of Ink before it. */
function liveReport(title: string, now: () => Date, signal: AbortSignal): TrainingReport {
  let progress = initialProgress(title, now().getTime());
  let view: TrainingView | undefined;
  let opening: Promise<void> | undefined;
  const show = (next: typeof progress): void => {
    progress = next;
    opening ??= openLiveTraining(progress).then((opened) => {
      view = opened;
      view.show(progress);
    });
    view?.show(progress);
  };
  signal.addEventListener('abort', () => {
    // What main.ts says about Ctrl-C comes where the picture was; the next picture comes below it.
    view?.clear();
    setImmediate(() => show({ ...progress, phase: 'stopping (Ctrl-C again: at once)' }));
  });
  return {
    begin: (runId) => show({ ...progress, title: runId }),
    update: (event) => show(nextProgress(progress, event)),
    prepare: (line) => show({ ...progress, phase: line }),
    note: (line) => show(withLine(progress, line)),
    close: async () => {
      await opening;
      await view?.close();
    },
  };
}
