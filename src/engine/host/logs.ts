// Where the lines of a service, a model server or a job lie.
import { existsSync } from 'node:fs';
import { join } from 'node:path';

import type { Paths } from '../../config/paths.js';
import { MlxError } from '../../errors.js';
import { serverLog } from './server-records.js';
import { serviceLog } from './service-records.js';

/** @throws MlxError NOT_FOUND */
export function logFile(paths: Paths, name: string): string {
  const found = findLogFile(paths, name);
  if (found !== undefined) return found;
  throw new MlxError('NOT_FOUND', `There are no lines of '${name}'.`, { hint: 'See what runs: mlx status' });
}

export function findLogFile(paths: Paths, name: string): string | undefined {
  const places = [serviceLog(paths, name), serverLog(paths, name), join(paths.runs, name, 'trainer.log')];
  return places.find((file) => existsSync(file));
}
