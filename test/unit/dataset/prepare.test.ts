import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { packageRoot } from '../../../src/config/paths.js';
import { prepareDataset } from '../../../src/dataset/prepare.js';
import { MlxError } from '../../../src/errors.js';
import type { Recipe } from '../../../src/recipe/schema.js';
import { scratchFolder } from '../engine/scratch.js';

type Dataset = Partial<Recipe['dataset']>;

const pair = (prompt: string, completion = 'yes'): string => JSON.stringify({ prompt, completion });
/** Rows that resemble each other in no three words. */
const distinct = (count: number, prefix = 'w'): string[] =>
  Array.from({ length: count }, (_, row) =>
    pair(Array.from({ length: 8 }, (_unused, word) => `${prefix}${letters(row * 8 + word)}`).join(' ')),
  );
const letters = (number: number): string =>
  [...String(number)].map((digit) => String.fromCharCode(97 + Number(digit))).join('');

function project(files: Record<string, string | Buffer>): string {
  const folder = scratchFolder();
  mkdirSync(join(folder, 'data'));
  for (const [name, contents] of Object.entries(files)) writeFileSync(join(folder, 'data', name), contents);
  return folder;
}

function withPrompt(folder: string): string {
  mkdirSync(join(folder, 'prompts'));
  const front = '---\nvariables: { ticket: , language: { default: English } }\n---\n';
  writeFileSync(join(folder, 'prompts', 'answer.md'), `${front}# system\nIn {{language}}.\n# user\n<{{ticket}}>\n`);
  return folder;
}

async function prepare(folder: string, dataset: Dataset, seed = 42) {
  const whole = { train: 'data/train.jsonl', held_out: 0.2, format: 'auto' as const, ...dataset };
  const out = join(folder, 'out');
  const prepared = await prepareDataset({ dataset: whole, seed }, folder, out);
  const rows = (split: string): string[] =>
    readFileSync(join(out, `${split}.jsonl`), 'utf8')
      .split('\n')
      .filter((line) => line !== '');
  return { ...prepared, train: rows('train'), heldOut: rows('held_out'), out };
}

async function failure(folder: string, dataset: Dataset): Promise<MlxError> {
  const error: unknown = await prepare(folder, dataset).catch((thrown: unknown) => thrown);
  if (!(error instanceof MlxError)) throw new Error('it was accepted');
  // Nothing half-made is left behind.
  if (existsSync(join(folder, 'out'))) expect(readdirSync(join(folder, 'out'))).toEqual([]);
  return error;
}

describe('a row that holds every line end of Unicode', () => {
  it('is written as the one row that the trainer reads (tests/test_inputs.py)', async () => {
    const rows = readFileSync(join(packageRoot(), 'test', 'fixtures', 'trainer', 'rows.jsonl'), 'utf8');
    const folder = project({ 'train.jsonl': rows, 'held.jsonl': `${pair('f', 'g')}\n` });
    const made = await prepare(folder, { held_out: 'data/held.jsonl' });
    expect(`${made.train.join('\n')}\n`).toBe(rows);
  });
});

describe('held-out files', () => {
  it('and training files are written in the row form of the trainer, with their hash', async () => {
    const folder = project({
      'a.jsonl': '{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}\n',
      'b.csv': 'instruction,input,output\nc,d,e\n',
      'held.jsonl': `${pair('f', 'g')}\n`,
    });
    const made = await prepare(folder, { train: ['data/a.jsonl', 'data/b.csv'], held_out: 'data/held.jsonl' });
    expect(made.train).toEqual([
      '{"prompt":[{"role":"user","content":"a"}],"completion":[{"role":"assistant","content":"b"}]}',
      '{"prompt":[{"role":"user","content":"c\\n\\nd"}],"completion":[{"role":"assistant","content":"e"}]}',
    ]);
    const sha256 = (name: string): string =>
      createHash('sha256')
        .update(readFileSync(join(made.out, name)))
        .digest('hex');
    expect(made.splits).toEqual([
      { split: 'train', sources: 'data/a.jsonl, data/b.csv', rows: 2, sha256: sha256('train.jsonl') },
      { split: 'held_out', sources: 'data/held.jsonl', rows: 1, sha256: sha256('held_out.jsonl') },
    ]);
    expect(made.warnings).toEqual([]);
    expect(readdirSync(made.out).sort()).toEqual(['held_out.jsonl', 'train.jsonl']);
  });

  it('take rows out of the training that are in both, whatever their shape', async () => {
    const rows = distinct(5);
    const first = JSON.parse(rows[0] ?? '') as { prompt: string; completion: string };
    const asInstruction = JSON.stringify({ instruction: first.prompt, input: '', output: first.completion });
    const folder = project({ 'train.jsonl': rows.join('\n'), 'held.jsonl': `${asInstruction}\n` });
    const made = await prepare(folder, { held_out: 'data/held.jsonl' });
    expect(made.train).toHaveLength(4);
    expect(made.warnings).toEqual(['One training row is also held out, and left out of the training.']);
  });

  it('that have every training row leave nothing to train on', async () => {
    const folder = project({ 'train.jsonl': distinct(3).join('\n') });
    const error = await failure(folder, { held_out: 'data/train.jsonl' });
    expect(error).toMatchObject({ code: 'SPLIT_EMPTY', exitStatus: 2 });
    expect(error.message).toContain('3 training rows are also held out');
  });

  it('warn of training rows that are nearly held out', async () => {
    const words = 'the quick brown fox jumps over the lazy dog while nineteen curious otters watch from below';
    const folder = project({
      'train.jsonl': [...distinct(20), pair(`${words}, quietly`), pair(words.toUpperCase())].join('\n'),
      'held.jsonl': pair(words),
    });
    const { warnings, train } = await prepare(folder, { held_out: 'data/held.jsonl' });
    expect(train).toHaveLength(22);
    expect(warnings).toEqual([
      '2 training rows are nearly a held-out row (at least 70 % of their three-word pieces in common): the held-out scores may flatter.',
    ]);
  });
});

describe('a held-out share', () => {
  it('is about as large as asked, the same each time, and another with another seed', async () => {
    const folder = project({ 'train.jsonl': distinct(500).join('\n') });
    const first = await prepare(folder, {});
    expect(first.heldOut.length).toBeGreaterThan(70);
    expect(first.heldOut.length).toBeLessThan(130);
    expect(first.train.length + first.heldOut.length).toBe(500);
    expect((await prepare(folder, {})).splits).toEqual(first.splits);
    expect((await prepare(folder, {}, 7)).heldOut).not.toEqual(first.heldOut);
    expect(first.splits[1]?.sources).toBe('data/train.jsonl (share 0.2)');
  });

  it('does not depend on the order of the rows, nor on rows that are added', async () => {
    const rows = distinct(200);
    const inOrder = await prepare(project({ 'train.jsonl': rows.join('\n') }), {});
    const reversed = await prepare(project({ 'train.jsonl': rows.toReversed().join('\n') }), {});
    expect(reversed.heldOut.toSorted()).toEqual(inOrder.heldOut.toSorted());
    const grown = await prepare(project({ 'train.jsonl': [...distinct(50, 'z'), ...rows].join('\n') }), {});
    expect(inOrder.heldOut.filter((row) => !grown.heldOut.includes(row))).toEqual([]);
  });

  it('keeps equal rows on one side', async () => {
    const rows = distinct(100);
    const { train, heldOut } = await prepare(project({ 'train.jsonl': [...rows, ...rows].join('\n') }), {});
    expect(train.filter((row) => heldOut.includes(row))).toEqual([]);
  });

  it('that falls on no row says what to do', async () => {
    const error = await failure(project({ 'train.jsonl': pair('a') }), { held_out: 0.0001 });
    expect(error).toMatchObject({
      code: 'SPLIT_EMPTY',
      hint: 'Add rows, or hold a larger share out, for example: --set dataset.held_out=0.3',
    });
  });
});

describe('bad data', () => {
  it('shows the first five problems with their lines, and how many there are', async () => {
    const rows = [pair('fine'), 'nonsense', '{"prompt": "x"}', ...Array.from({ length: 9 }, () => pair('q', ' '))];
    const error = await failure(project({ 'train.jsonl': rows.join('\n') }), {});
    expect(error).toMatchObject({
      code: 'DATA_INVALID',
      exitStatus: 2,
      message: '11 rows of data/train.jsonl cannot be used; the first 5 are shown.',
    });
    expect(error.problems).toEqual([
      { file: 'data/train.jsonl', line: 2, message: 'is not JSON' },
      { file: 'data/train.jsonl', line: 3, message: 'has no completion; its keys are prompt' },
      { file: 'data/train.jsonl', line: 4, message: 'completion is empty' },
      { file: 'data/train.jsonl', line: 5, message: 'completion is empty' },
      { file: 'data/train.jsonl', line: 6, message: 'completion is empty' },
    ]);
  });

  it('counts a row of another shape than the first rows of its file', async () => {
    const rows = [...distinct(30), '{"instruction": "a", "output": "b"}'];
    const error = await failure(project({ 'train.jsonl': rows.join('\n') }), {});
    expect(error.problems).toEqual([
      {
        file: 'data/train.jsonl',
        line: 31,
        message: 'has no prompt and no completion; its keys are instruction, output',
      },
    ]);
  });

  it('in a shape that nobody knows names the keys that are there', async () => {
    const error = await failure(project({ 'train.jsonl': '{"text": "a"}' }), {});
    expect(error.problems[0]?.message).toBe('has no messages; its keys are text');
    expect(error.hint).toContain('{"prompt": "...", "completion": "..."}');
  });

  it('that is empty has nothing to train on', async () => {
    const folder = project({ 'train.jsonl': '', 'held.jsonl': pair('a') });
    expect(await failure(folder, { held_out: 'data/held.jsonl' })).toMatchObject({
      code: 'SPLIT_EMPTY',
      message: 'No row is left to train on: data/train.jsonl.',
    });
  });

  it('whose held-out file is empty says so', async () => {
    const folder = project({ 'train.jsonl': pair('a'), 'held.jsonl': '\n' });
    expect(await failure(folder, { held_out: 'data/held.jsonl' })).toMatchObject({
      code: 'SPLIT_EMPTY',
      message: 'The held-out split has no row: data/held.jsonl.',
    });
  });

  it('that is missing is named with the nearest file, every missing one at once', async () => {
    const folder = project({ 'train.jsonl': pair('a') });
    const error = await failure(folder, { train: ['data/trian.jsonl', 'rows/x.csv'], held_out: 'data/zzz.jsonl' });
    expect(error).toMatchObject({ code: 'DATA_NOT_FOUND', exitStatus: 2 });
    expect(error.problems).toEqual([
      { file: 'data/trian.jsonl', message: 'does not exist; did you mean data/train.jsonl?' },
      { file: 'rows/x.csv', message: 'does not exist, nor does the folder rows' },
      { file: 'data/zzz.jsonl', message: 'does not exist; the folder has train.jsonl' },
    ]);
  });

  it('that is a folder or of an unknown kind is refused', async () => {
    const folder = project({ 'train.json': '[]' });
    const error = await failure(folder, { train: ['data', 'data/train.json'] });
    expect(error.problems).toEqual([
      { file: 'data', message: 'is a folder, not a file' },
      { file: 'data/train.json', message: 'has an unknown ending; known: .jsonl, .ndjson, .csv, .parquet' },
    ]);
  });

  it('leaves an earlier, good result untouched', async () => {
    const folder = project({ 'train.jsonl': distinct(20).join('\n') });
    const { splits } = await prepare(folder, {});
    writeFileSync(join(folder, 'data', 'train.jsonl'), 'broken');
    await expect(prepare(folder, {})).rejects.toMatchObject({ code: 'DATA_INVALID' });
    const kept = createHash('sha256')
      .update(readFileSync(join(folder, 'out', 'train.jsonl')))
      .digest('hex');
    expect(kept).toBe(splits[0]?.sha256);
  });
});

describe('rows that hold the variables of a prompt', () => {
  it('become the messages of that prompt', async () => {
    const rows = [
      { ticket: 'Where?', completion: 'Here.', id: 7 },
      { ticket: 'When?', language: 'French', completion: 'Demain.' },
    ].map((row) => JSON.stringify(row));
    const files = { 'train.jsonl': rows.join('\n'), 'held.jsonl': '{"ticket": "Who?", "completion": "Me."}' };
    const prepared = await prepare(withPrompt(project(files)), { prompt: 'answer', held_out: 'data/held.jsonl' });
    const messages = (language: string, ticket: string) => [
      { role: 'system', content: `In ${language}.` },
      { role: 'user', content: `<${ticket}>` },
    ];
    expect(prepared.train.map((line) => JSON.parse(line) as unknown)).toEqual([
      { prompt: messages('English', 'Where?'), completion: [{ role: 'assistant', content: 'Here.' }] },
      { prompt: messages('French', 'When?'), completion: [{ role: 'assistant', content: 'Demain.' }] },
    ]);
    expect(prepared.heldOut).toHaveLength(1);
  });

  it('are told what they lack', async () => {
    const rows = ['{"completion": "x"}', '{"ticket": {"a": 1}, "completion": "x"}', '{"ticket": "x"}', '[]'];
    const error = await prepare(withPrompt(project({ 'train.jsonl': rows.join('\n') })), { prompt: 'answer' }).catch(
      (thrown: unknown) => thrown,
    );
    expect((error as MlxError).problems.map(({ message }) => message)).toEqual([
      'has no ticket, which the prompt answer needs',
      'ticket is no text, number, true or false, or list of texts',
      'completion is not a list of messages',
      'is not an object with keys',
    ]);
    await expect(prepare(project({ 'train.jsonl': '{}' }), { prompt: 'answer' })).rejects.toMatchObject({
      code: 'PROMPT_NOT_FOUND',
    });
  });
});
