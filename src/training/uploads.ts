// Which files of a run MLflow gets.
import { existsSync } from 'node:fs';

import type { Run } from '../ledger/runs.js';
import type { Uploads } from '../tracking/delivery.js';
import type { RunFolder } from './run-folder.js';

/** Of what is still there: a run may have lost its files, not its row. A whole model stays here: gigabytes. */
export function runUploads({ state, method }: Run, folder: RunFolder): Uploads {
  const hasAdapter = state === 'finished' && method !== 'full' && existsSync(folder.adapter);
  const files = [
    { file: folder.spec, as: 'spec.json' },
    { file: folder.lock, as: 'run.lock.yaml' },
  ];
  return {
    folders: hasAdapter ? [{ folder: folder.adapter, as: 'adapter' }] : [],
    files: files.filter(({ file }) => existsSync(file)),
  };
}
