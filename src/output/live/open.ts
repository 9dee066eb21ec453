// Loads Ink with the colours that the person wants: chalk, which Ink colours with, does not know NO_COLOR (https://no-color.org).
import type { TrainingProgress } from './training-progress.js';
import type { TrainingView } from './training.js';

export async function openLiveTraining(progress: TrainingProgress): Promise<TrainingView> {
  if (process.env['NO_COLOR']) process.env['FORCE_COLOR'] = '0';
  const { openView } = await import('./training.js');
  return openView(progress);
}
