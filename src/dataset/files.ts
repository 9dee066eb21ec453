// The data files that a recipe names: resolved against the project, all missing ones reported at once.
import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, extname, join, resolve } from 'node:path';

import { nearestName } from '../config/nearest.js';
import { errorCode, MlxError, type Problem } from '../errors.js';

export type DataFormat = 'jsonl' | 'csv' | 'parquet';

export type DataFile = {
  path: string;
  /** As the recipe names it. */
  shown: string;
  format: DataFormat;
};

const formatByExtension: Record<string, DataFormat> = {
  '.jsonl': 'jsonl',
  '.ndjson': 'jsonl',
  '.csv': 'csv',
  '.parquet': 'parquet',
};

/** @throws MlxError DATA_NOT_FOUND or DATA_INVALID (a folder, an unknown kind of file) with every problem */
export async function findDataFiles(projectFolder: string, names: readonly string[]): Promise<DataFile[]> {
  const found = await Promise.all(names.map((name) => findDataFile(projectFolder, name)));
  const missing = found.flatMap((one) => ('missing' in one ? [one.missing] : []));
  if (missing.length > 0) {
    const what = missing.length === 1 ? `There is no ${missing[0]?.file ?? ''}.` : 'Data files are missing.';
    throw new MlxError('DATA_NOT_FOUND', what, {
      problems: missing,
      hint: 'Paths are relative to the project folder; correct dataset.train or dataset.held_out in the recipe.',
    });
  }
  const unusable = found.flatMap((one) => ('unusable' in one ? [one.unusable] : []));
  if (unusable.length > 0) {
    throw new MlxError('DATA_INVALID', 'Not every data file can be read.', {
      problems: unusable,
      hint: 'Use JSONL (one JSON object a line), CSV with a header line, or Parquet.',
    });
  }
  return found.flatMap((one) => ('path' in one ? [one] : []));
}

type Finding = DataFile | { missing: Problem } | { unusable: Problem };

async function findDataFile(projectFolder: string, shown: string): Promise<Finding> {
  const path = resolve(projectFolder, shown);
  try {
    if ((await stat(path)).isDirectory()) return { unusable: { file: shown, message: 'is a folder, not a file' } };
  } catch (error) {
    const code = errorCode(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return { missing: await missingFile(path, shown) };
    return { unusable: { file: shown, message: `cannot be read (${code ?? 'unknown reason'})` } };
  }
  const format = formatByExtension[extname(path).toLowerCase()];
  if (format !== undefined) return { path, shown, format };
  const known = Object.keys(formatByExtension).join(', ');
  return { unusable: { file: shown, message: `has an unknown ending; known: ${known}` } };
}

async function missingFile(path: string, shown: string): Promise<Problem> {
  const names = await fileNames(dirname(path));
  if (names === undefined) return { file: shown, message: `does not exist, nor does the folder ${dirname(shown)}` };
  const nearest = nearestName(basename(path), names);
  if (nearest !== undefined) {
    return { file: shown, message: `does not exist; did you mean ${join(dirname(shown), nearest)}?` };
  }
  const listed = names.filter((name) => extname(name).toLowerCase() in formatByExtension).slice(0, 5);
  return {
    file: shown,
    message: listed.length === 0 ? 'does not exist' : `does not exist; the folder has ${listed.join(', ')}`,
  };
}

async function fileNames(folder: string): Promise<string[] | undefined> {
  try {
    return (await readdir(folder)).sort();
  } catch {
    return undefined;
  }
}
