// Shows a training while it runs: an Ink view on a terminal, else one line an event (or one JSON object with --json).
import type { TrainingView } from '../output/live/training.js';
import type { Output } from '../output/output.js';
import type { TrainerEvent } from './events.js';
import { initialProgress, nextProgress, progressLine, withLine } from './progress.js';

export type TrainingReport = {
  update: (event: TrainerEvent) => void;
  /** Downloads and installs before the trainer starts. */
  prepare: (line: string, fraction?: number) => void;
  note: (line: string) => void;
  /** Leaves the last state on the screen and gives the terminal back. */
  close: () => Promise<void>;
};

export function openTrainingView(output: Output, title: string, now: () => Date): TrainingReport {
  return output.interactive ? liveReport(title, now) : plainReport(output);
}

function plainReport(output: Output): TrainingReport {
  return {
    update: (event) => output.progress(event, progressLine(event)),
    prepare: (line, fraction) => output.progress({ event: 'prepare', line, fraction }, `prepare   ${line}`),
    note: (line) => output.progress({ event: 'note', line }, `note      ${line}`),
    close: () => Promise.resolve(),
  };
}

function liveReport(title: string, now: () => Date): TrainingReport {
  let progress = initialProgress(title, now().getTime());
  // Loaded beside the work: the trainer does not wait for the picture.
  const opening: Promise<TrainingView> = import('../output/live/training.js').then((live) => live.openView(progress));
  let view: TrainingView | undefined;
  void opening.then((opened) => {
    view = opened;
    view.show(progress);
  });
  const show = (next: typeof progress): void => {
    progress = next;
    view?.show(progress);
  };
  return {
    update: (event) => show(nextProgress(progress, event)),
    prepare: (line) => show({ ...progress, phase: line }),
    note: (line) => show(withLine(progress, line)),
    close: async () => {
      await (await opening).close();
    },
  };
}
