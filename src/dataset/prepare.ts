// The data of a run: what the recipe names, validated, brought into the one row form, split, and written to the run's folder.
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';

import { MlxError } from '../errors.js';
import type { RunDataset } from '../ledger/metrics.js';
import { loadPrompt } from '../prompts/load.js';
import type { Recipe } from '../recipe/schema.js';
import { findDataFiles, type DataFile } from './files.js';
import { comparedRows, countNearDuplicates, similarityLimit } from './near-duplicates.js';
import { readLines } from './lines.js';
import { collectProblems, readTrainingRows, type ProblemCollector, type Reading } from './rows.js';
import type { TrainingRow } from './shape.js';
import type { SplitRows } from './row-hashes.js';
import { createSplitFile, type SplitFile } from './split-file.js';
import { rowHash, rowPosition } from './split.js';

export type PreparedDataset = {
  splits: RunDataset[];
  /** Hash and origin of each row, by split. */
  rows: SplitRows;
  warnings: string[];
};

type Sources = { train: DataFile[]; heldOut: DataFile[]; share: number | undefined; reading: Reading };
type Splits = { train: SplitFile; heldOut: SplitFile };

/**
 * Writes outFolder/train.jsonl and outFolder/held_out.jsonl, both or neither.
 * @throws MlxError DATA_NOT_FOUND, DATA_INVALID (the first problems and their number), SPLIT_EMPTY, DISK_FULL, PROMPT_NOT_FOUND,
 * PROMPT_INVALID
 */
export async function prepareDataset(
  recipe: Pick<Recipe, 'dataset' | 'seed'>,
  projectFolder: string,
  outFolder: string,
): Promise<PreparedDataset> {
  const sources = await findSources(recipe.dataset, projectFolder);
  await mkdir(outFolder, { recursive: true });
  const splits: Splits = {
    train: await createSplitFile(join(outFolder, 'train.jsonl')),
    heldOut: await createSplitFile(join(outFolder, 'held_out.jsonl')),
  };
  try {
    const problems = collectProblems();
    const warnings =
      sources.share === undefined
        ? await writeFiles(sources, splits, problems)
        : await writeShare(recipe.seed, sources, sources.share, splits, problems);
    problems.throwIfAny();
    checkNotEmpty(sources, splits, warnings);
    const hashes = { train: await splits.train.end(), heldOut: await splits.heldOut.end() };
    warnings.push(...(await nearDuplicateWarnings(splits)));
    const rows = { train: splits.train.rows(), held_out: splits.heldOut.rows() };
    const prepared = { splits: describe(sources, splits, hashes), rows, warnings };
    await splits.heldOut.keep();
    await splits.train.keep();
    return prepared;
  } catch (error) {
    await splits.train.discard();
    await splits.heldOut.discard();
    throw error;
  }
}

async function findSources(dataset: Recipe['dataset'], projectFolder: string): Promise<Sources> {
  const { train, held_out: heldOut, prompt, format } = dataset;
  const reading = prompt === undefined ? format : await loadPrompt(join(projectFolder, 'prompts'), prompt);
  const trainNames = typeof train === 'string' ? [train] : train;
  if (typeof heldOut === 'number') {
    return { train: await findDataFiles(projectFolder, trainNames), heldOut: [], share: heldOut, reading };
  }
  const heldOutNames = typeof heldOut === 'string' ? [heldOut] : heldOut;
  const found = await findDataFiles(projectFolder, [...trainNames, ...heldOutNames]);
  return {
    train: found.slice(0, trainNames.length),
    heldOut: found.slice(trainNames.length),
    share: undefined,
    reading,
  };
}

/** Held-out rows first: a training row that is among them is left out. */
async function writeFiles(sources: Sources, splits: Splits, problems: ProblemCollector): Promise<string[]> {
  const heldOut = new Set<string>();
  for await (const { row, file, line } of readTrainingRows(sources.heldOut, sources.reading, problems)) {
    const serialised = JSON.stringify(row);
    heldOut.add(rowHash(serialised));
    await splits.heldOut.add(serialised, file, line);
  }
  let removed = 0;
  for await (const { row, file, line } of readTrainingRows(sources.train, sources.reading, problems)) {
    const serialised = JSON.stringify(row);
    if (heldOut.has(rowHash(serialised))) removed += 1;
    else await splits.train.add(serialised, file, line);
  }
  if (removed === 0) return [];
  const rows = removed === 1 ? 'One training row is' : `${removed} training rows are`;
  return [`${rows} also held out, and left out of the training.`];
}

async function writeShare(
  seed: number,
  sources: Sources,
  share: number,
  splits: Splits,
  problems: ProblemCollector,
): Promise<string[]> {
  for await (const { row, file, line } of readTrainingRows(sources.train, sources.reading, problems)) {
    const serialised = JSON.stringify(row);
    const heldOut = rowPosition(rowHash(serialised), seed) < share;
    await (heldOut ? splits.heldOut : splits.train).add(serialised, file, line);
  }
  return [];
}

function checkNotEmpty(sources: Sources, splits: Splits, warnings: readonly string[]): void {
  const names = (files: readonly DataFile[]): string => files.map((file) => file.shown).join(', ');
  const [trainRows, heldOutRows] = [splits.train.rows().length, splits.heldOut.rows().length];
  const because = warnings.length > 0 ? ` ${warnings.join(' ')}` : '';
  if (trainRows === 0) {
    throw new MlxError('SPLIT_EMPTY', `No row is left to train on: ${names(sources.train)}.${because}`, {
      hint: 'Give dataset.train rows of its own, and hold out fewer of them.',
    });
  }
  if (heldOutRows > 0) return;
  const { share } = sources;
  const message =
    share === undefined
      ? `The held-out split has no row: ${names(sources.heldOut)}.`
      : `The held-out split has no row: a share of ${share} fell on none of the ${trainRows} rows of ${names(sources.train)}.`;
  throw new MlxError('SPLIT_EMPTY', message, {
    hint:
      share === undefined
        ? 'Put rows into it, or name a share of the training rows in the recipe: held_out: 0.1'
        : 'Add rows, or hold a larger share out, for example: --set dataset.held_out=0.3',
  });
}

async function nearDuplicateWarnings(splits: Splits): Promise<string[]> {
  const { found, compared } = await countNearDuplicates(texts(splits.heldOut.partial), texts(splits.train.partial));
  const warnings: string[] = [];
  if (found > 0) {
    const rows = found === 1 ? 'One training row is' : `${found} training rows are`;
    const limit = `at least ${similarityLimit * 100} % of their three-word pieces in common`;
    warnings.push(`${rows} nearly a held-out row (${limit}): the held-out scores may flatter.`);
  }
  if (compared.train < splits.train.rows().length || compared.heldOut < splits.heldOut.rows().length) {
    const bounds = `${comparedRows.train} training and ${comparedRows.heldOut} held-out rows`;
    warnings.push(`Near duplicates were looked for among the first ${bounds} only.`);
  }
  return warnings;
}

/** Each row's text without its system message, which many rows share. */
async function* texts(file: string): AsyncGenerator<string> {
  for await (const line of readLines(file)) {
    if (!('text' in line)) continue;
    const row = JSON.parse(line.text) as TrainingRow;
    const messages = [...row.prompt, ...row.completion].filter((message) => message.role !== 'system');
    yield messages.map((message) => message.content).join('\n');
  }
}

function describe(sources: Sources, splits: Splits, hashes: { train: string; heldOut: string }): RunDataset[] {
  const names = (files: readonly DataFile[]): string => files.map((file) => file.shown).join(', ');
  const { share } = sources;
  const shared = share === undefined ? names(sources.heldOut) : `${names(sources.train)} (share ${share})`;
  return [
    { split: 'train', sources: names(sources.train), rows: splits.train.rows().length, sha256: hashes.train },
    { split: 'held_out', sources: shared, rows: splits.heldOut.rows().length, sha256: hashes.heldOut },
  ];
}
