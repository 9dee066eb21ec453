// The file of a JUnit report: known to be writable before any compute is spent, written at the end. Touches that file alone.
import { accessSync, constants, existsSync, statSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

import { errorCode, MlxError } from '../errors.js';
import { renderJunit } from './junit.js';
import type { ReplayReport } from './replay.js';

/** @throws MlxError NOT_WRITABLE for a folder, for a file in a folder that is not there, and where writing is forbidden */
export function openJunit(workingDirectory: string, shown: string): (reports: readonly ReplayReport[]) => void {
  const file = resolve(workingDirectory, shown);
  const isThere = existsSync(file);
  if (isThere && statSync(file).isDirectory()) throw notWritable(shown, 'it is a folder');
  if (!existsSync(dirname(file))) throw notWritable(shown, `there is no folder ${dirname(file)}`);
  try {
    accessSync(isThere ? file : dirname(file), constants.W_OK);
  } catch (error) {
    throw notWritable(shown, errorCode(error) ?? 'refused', error);
  }
  return (reports) => writeFileSync(file, renderJunit(reports));
}

function notWritable(file: string, why: string, cause?: unknown): MlxError {
  return new MlxError('NOT_WRITABLE', `The report cannot be written to ${file}: ${why}.`, {
    cause,
    hint: 'Name a file in a folder that is there and yours: --junit replay.xml',
  });
}
